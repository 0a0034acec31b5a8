import type { ProviderName } from "./providers.ts";

/** How its provider ranks a model among its own. It says nothing about the models of others. */
export type ModelSize = "small" | "middle" | "large";

/** US dollars for a million tokens. */
export type Price = { readonly inputUsd: number; readonly outputUsd: number };

/** A model as its provider declared it. Nothing here is measured; what is measured is in `call-history.ts`. */
export interface CatalogueModel {
  readonly provider: ProviderName;
  readonly model: string;
  readonly size: ModelSize;
  /** Prompt and answer together. */
  readonly contextTokens: number;
  readonly maxOutputTokens: number;
  /** The least thinking it can be asked for. What it thinks is counted, and paid, as part of the answer. */
  readonly leastThinking: "none" | "low";
  readonly price: Price;
  /** What the whole request costs when its prompt is longer than this. */
  readonly longPrice?: Price & { readonly overInputTokens: number };
}

/** Added for models that always think, since they pay for it out of the same tokens. */
const thinkingTokens = 2_048;

/** The tokens that a model is given, and may be paid for, where its answer may have so many. */
export function tokensFor(
  model: Pick<CatalogueModel, "leastThinking" | "maxOutputTokens"> | undefined,
  maxTokens: number,
): number {
  return model?.leastThinking === "low" ? Math.min(maxTokens + thinkingTokens, model.maxOutputTokens) : maxTokens;
}

/** When sizes and prices were noted. */
const catalogueNotedOn = "2026-11-20";
export const catalogueRemark = `as declared by the providers, noted on ${catalogueNotedOn}; it may have changed since`;

export const catalogue: readonly CatalogueModel[] = [
  {
    provider: "openai",
    model: "gpt-6-luna",
    size: "small",
    contextTokens: 1_050_000,
    maxOutputTokens: 128_000,
    leastThinking: "none",
    price: { inputUsd: 0.1, outputUsd: 0.5 },
    longPrice: { overInputTokens: 272_000, inputUsd: 0.2, outputUsd: 0.75 },
  },
  {
    provider: "openai",
    model: "gpt-6.1-terra",
    size: "middle",
    contextTokens: 1_050_000,
    maxOutputTokens: 128_000,
    leastThinking: "none",
    price: { inputUsd: 1, outputUsd: 5 },
    longPrice: { overInputTokens: 272_000, inputUsd: 2, outputUsd: 7.5 },
  },
  {
    provider: "openai",
    model: "gpt-6.1-sol",
    size: "large",
    contextTokens: 1_050_000,
    maxOutputTokens: 128_000,
    leastThinking: "low",
    price: { inputUsd: 2, outputUsd: 10 },
    longPrice: { overInputTokens: 272_000, inputUsd: 4, outputUsd: 15 },
  },
  {
    provider: "anthropic",
    model: "claude-haiku-5-5",
    size: "small",
    contextTokens: 1_000_000,
    maxOutputTokens: 128_000,
    leastThinking: "none",
    price: { inputUsd: 0.1, outputUsd: 0.5 },
    longPrice: { overInputTokens: 100_000, inputUsd: 0.5, outputUsd: 2.5 },
  },
  {
    provider: "anthropic",
    model: "claude-sonnet-5-5",
    size: "middle",
    contextTokens: 1_000_000,
    maxOutputTokens: 128_000,
    leastThinking: "low",
    price: { inputUsd: 2, outputUsd: 10 },
  },
  {
    provider: "anthropic",
    model: "claude-opus-5-5",
    size: "large",
    contextTokens: 1_000_000,
    maxOutputTokens: 128_000,
    leastThinking: "low",
    price: { inputUsd: 4, outputUsd: 20 },
  },
];
