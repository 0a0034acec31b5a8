import { agent } from "viable";
import { z } from "zod";
import { readAllHealth } from "../ask-cached.ts";
import { readHistory } from "../call-history.ts";
import { rankModels, taskKinds, wishes } from "../choose-model.ts";
import { catalogue, catalogueRemark } from "../models.ts";
import type { Environment } from "../providers.ts";
import { howToConfigure, readProviders } from "../providers.ts";

/** The longest prompt and answer of any model, with room to spare. */
const maxTokensAsked = 10_000_000;

/** Chooses a model for a task among those of the configured providers. */
export const createModelSelector = (environment: Environment) =>
  agent({
    name: "model-selector",
    capability: "llm_routing",
    description: "Chooses a model for a task by what it costs, what it is declared to be, and how it did before",
    input: z.strictObject({
      task: z.enum(taskKinds).default("chat").describe("What the model is to do"),
      wish: z.enum(wishes).default("cost").describe("What counts most"),
      inputTokens: z.coerce
        .number()
        .int()
        .min(0)
        .max(maxTokensAsked)
        .default(1_000)
        .describe("How long the prompt is, in tokens"),
      maxTokens: z.coerce
        .number()
        .int()
        .min(1)
        .max(maxTokensAsked)
        .default(1_000)
        .describe("How long the answer may be, in tokens"),
    }),
    risk: "low",
    async handle(ctx, { task: kind, wish, inputTokens, maxTokens }) {
      const { providers, problems } = readProviders(environment);
      const { candidates, excluded } = rankModels(
        providers,
        { kind, wish, inputTokens, maxTokens },
        {
          models: catalogue,
          history: await readHistory(ctx.memory),
          health: await readAllHealth(ctx, providers),
          now: ctx.runtime.clock.now(),
        },
      );
      const [best] = candidates;
      const rest = { candidates, excluded, problems, prices: catalogueRemark };
      if (best === undefined) {
        return excluded.length === 0
          ? { origin: "rules", reason: "No model is configured.", next: howToConfigure, ...rest }
          : { origin: "rules", reason: "None of the configured models fits this task.", ...rest };
      }
      const { provider, model, reasons } = best;
      return { origin: "rules", chosen: { provider, model }, reasons, ...rest };
    },
  });

export const modelSelector = createModelSelector(process.env);
