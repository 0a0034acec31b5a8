import { agent } from "viable";
import { z } from "zod";
import { askCached } from "../ask-cached.ts";
import { maxAskMs } from "../ask-model.ts";
import { taskKinds, wishes } from "../choose-model.ts";
import type { Environment } from "../providers.ts";
import { providerNames, readProviders } from "../providers.ts";

/** A book: longer prompts belong into a file that a model is told about. */
const maxPromptChars = 1_000_000;
/** Some pages. An answer is an event in the log and lies in the cache. */
const maxAnswerTokens = 8_192;
/** Longer names are no models' names, and would not fit into a memory key. */
const maxModelChars = 150;
const dayMs = 24 * 3_600_000;

/** Asks a model, unless the answer is known. */
export const createCaching = (environment: Environment) =>
  agent({
    name: "caching",
    capability: "response_cache",
    description: "Asks a model through a cache: the same question is paid for once",
    input: z.strictObject({
      prompt: z.string().min(1).max(maxPromptChars).describe("What is asked"),
      system: z.string().max(maxPromptChars).optional().describe("How the model is to behave"),
      provider: z.enum(providerNames).optional().describe("Only this one; the best unless told"),
      model: z.string().min(1).max(maxModelChars).optional().describe("Only this one; the best unless told"),
      task: z.enum(taskKinds).default("chat").describe("What the model is to do"),
      wish: z.enum(wishes).default("cost").describe("What counts most when a model is chosen"),
      maxTokens: z.coerce
        .number()
        .int()
        .min(1)
        .max(maxAnswerTokens)
        .default(1_000)
        .describe("How long the answer may be"),
      temperature: z.coerce.number().min(0).max(2).default(0),
      expiresInMs: z.coerce
        .number()
        .int()
        .min(1)
        .max(30 * dayMs)
        .default(dayMs)
        .describe("How long the answer is kept"),
      refresh: z.boolean().default(false).describe("Ask again even where the answer is known"),
    }),
    joinable: true, // who asks what is being asked right now pays for it no second time
    // Every provider once, and the cache between them.
    timeoutMs: providerNames.length * (maxAskMs + 10_000),
    async handle(ctx, { task, ...question }) {
      return await askCached(ctx, readProviders(environment), { ...question, kind: task });
    },
  });

export const caching = createCaching(process.env);
