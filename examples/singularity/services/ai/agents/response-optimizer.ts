import { threadAgent } from "viable";
import { z } from "zod";
import { estimateTokens, tokenEstimation } from "../estimate-tokens.ts";
import { fitText } from "../fit-text.ts";

/** More does not fit into any model, nor into an argument with room for the answer. */
const maxTextChars = 1_000_000;

/** Makes a prompt or an answer fit. */
export const responseOptimizer = threadAgent({
  name: "response-optimizer",
  capability: "response_optimization",
  description: "Makes a prompt or an answer fit a number of tokens, and says what it took out",
  input: z.strictObject({
    text: z.string().min(1).max(maxTextChars).describe("The prompt or the answer"),
    maxTokens: z.coerce.number().int().min(1).max(maxTextChars).describe("How many tokens it may have"),
  }),
  risk: "low",
  joinable: true,
  module: import.meta.url,
  handle(_ctx, { text, maxTokens }) {
    const fitted = fitText(text, maxTokens);
    return {
      origin: "rules",
      text: fitted.text,
      estimatedTokens: estimateTokens(fitted.text),
      estimatedTokensBefore: estimateTokens(text),
      estimation: tokenEstimation,
      isCut: fitted.removed.some(({ what }) => what === "end"),
      removed: fitted.removed,
    };
  },
});
