import type { Measured } from "./call-history.ts";
import { historyKey } from "./call-history.ts";
import { type CatalogueModel, type ModelSize, type Price, tokensFor } from "./models.ts";
import type { Health } from "./provider-health.ts";
import type { Provider, ProviderName } from "./providers.ts";

export const taskKinds = ["chat", "summarize", "classify", "extract", "code", "reason"] as const;
export const wishes = ["cost", "quality", "latency"] as const;

/** What a model is looked for. */
export interface ModelTask {
  readonly kind: (typeof taskKinds)[number];
  readonly wish: (typeof wishes)[number];
  readonly inputTokens: number;
  readonly maxTokens: number;
}

/** A model that could do the task, and how good it looks. Members that are absent are not known. */
export type Candidate = {
  readonly provider: ProviderName;
  readonly model: string;
  /** From 0 to 1. */
  readonly score: number;
  /** What the task would cost at most, by the catalogue's prices. */
  readonly costUsd?: number;
  readonly medianMs?: number;
  readonly calls: number;
  readonly failures: number;
  readonly reasons: readonly string[];
};

export type Excluded = { readonly provider: ProviderName; readonly model: string; readonly reason: string };

/** What is known when a model is chosen. */
export interface Knowledge {
  readonly models: readonly CatalogueModel[];
  readonly history: ReadonlyMap<string, Measured>;
  readonly health: ReadonlyMap<ProviderName, Health>;
  /** Wall time in milliseconds. */
  readonly now: number;
}

type Option = Partial<CatalogueModel> & Pick<CatalogueModel, "provider" | "model">;

/** The smallest size that is trusted with a task. */
const leastSize: { readonly [kind in ModelTask["kind"]]: ModelSize } = {
  chat: "small",
  summarize: "small",
  classify: "small",
  extract: "small",
  code: "middle",
  reason: "large",
};
/** Sizes are an order; a third for each step makes it a number. */
const worthOfSize: { readonly [size in ModelSize]: number } = { small: 1 / 3, middle: 2 / 3, large: 1 };
const order: readonly ModelSize[] = ["small", "middle", "large"];

/** What is wished for weighs three times as much as each of the others; together they are 1. */
const wishedWeight = 0.6;
const otherWeight = 0.2;
/** What is not known is worth little: less than what was found to be good, more than what was found to be bad. */
const unknownWorth = 1 / 3;
/** A look at a provider counts for five minutes; after that it may have come back. */
const healthCountsForMs = 5 * 60_000;
/** What keeps a provider from answering. One that only lists no models may answer all the same. */
const whatIsWrong: { readonly [state in Health["state"]]: string | undefined } = {
  up: undefined,
  "no-models": undefined,
  refused: "refused the key",
  limited: "took no more requests",
  failing: "answered with an error",
  unreachable: "could not be reached",
};

/**
 * Ranks the models of the configured providers for a task, best first. Pure: prices and sizes are what the catalogue declares,
 * times and failures what was measured; what is not known counts little, and the reasons say so.
 */
export function rankModels(
  providers: readonly Provider[],
  task: ModelTask,
  knowledge: Knowledge,
): { candidates: Candidate[]; excluded: Excluded[] } {
  const excluded: Excluded[] = [];
  const fitting: Option[] = [];
  const lookedAt = (provider: ProviderName): Health | undefined => {
    const health = knowledge.health.get(provider);
    return health !== undefined && knowledge.now - health.checkedAt < healthCountsForMs ? health : undefined;
  };
  for (const option of listOptions(providers, knowledge.models)) {
    const reason = whyNot(option, task, lookedAt(option.provider));
    if (reason === undefined) fitting.push(option);
    else excluded.push({ provider: option.provider, model: option.model, reason });
  }
  const costs = new Map(fitting.map((option) => [option, costOf(option, task)]));
  const measured = new Map(
    fitting.map((option) => [option, knowledge.history.get(historyKey(option.provider, option.model))]),
  );
  const worthOfCost = compareCosts([...costs.values()]);
  const times = [...measured.values()].map((each) => each?.medianMs ?? Number.POSITIVE_INFINITY);

  const candidates = fitting.map((option) => {
    const { provider, model, size } = option;
    const costUsd = costs.get(option);
    const { calls = 0, failures = 0, medianMs } = measured.get(option) ?? {};
    const worth = {
      cost: worthOfCost(costUsd),
      quality: size === undefined ? unknownWorth : worthOfSize[size],
      // Half for one that takes twice as long as the fastest.
      latency: medianMs === undefined ? unknownWorth : Math.max(1, Math.min(...times)) / Math.max(1, medianMs),
    };
    const sum = (Object.keys(worth) as (keyof typeof worth)[]).reduce(
      (total, each) => total + worth[each] * (each === task.wish ? wishedWeight : otherWeight),
      0,
    );
    // Two successes are assumed before the first call, so that one failure is not the end of a model.
    const reliability = 1 - failures / (calls + 2);
    const health = lookedAt(provider);
    const wrong = health && whatIsWrong[health.state];
    const candidate: Candidate = {
      provider,
      model,
      score: Math.round(sum * reliability * 1_000) / 1_000,
      ...(costUsd !== undefined && { costUsd }),
      ...(medianMs !== undefined && { medianMs }),
      calls,
      failures,
      reasons: [
        costUsd === undefined ? "its price is not known" : `at most ${costUsd} US dollars by declared prices`,
        size === undefined ? "its size is not known" : `the provider's ${size} model`,
        medianMs === undefined ? "its time is not measured yet" : `${medianMs} ms in the middle of ${calls} calls`,
        ...(failures > 0 ? [`${failures} of ${calls} calls failed`] : []),
        ...(wrong === undefined ? [] : [`${provider} ${wrong} when last looked at`]),
      ],
    };
    return { candidate, isDown: wrong !== undefined };
  });
  // Who was down a moment ago is the last resort, but a resort.
  candidates.sort(
    (a, b) =>
      Number(a.isDown) - Number(b.isDown) ||
      b.candidate.score - a.candidate.score ||
      (historyKey(a.candidate.provider, a.candidate.model) < historyKey(b.candidate.provider, b.candidate.model)
        ? -1
        : 1),
  );
  return { candidates: candidates.map(({ candidate }) => candidate), excluded };
}

function listOptions(providers: readonly Provider[], models: readonly CatalogueModel[]): Option[] {
  return providers.flatMap(({ name, model }): Option[] => {
    if (name !== "openai-compatible") return models.filter((each) => each.provider === name);
    return model === undefined ? [] : [{ provider: name, model }];
  });
}

function whyNot(option: Option, { kind, inputTokens, maxTokens }: ModelTask, health?: Health): string | undefined {
  const { size, contextTokens, maxOutputTokens, model } = option;
  if (size !== undefined && order.indexOf(size) < order.indexOf(leastSize[kind])) {
    return `the provider's ${size} model; "${kind}" wants its ${leastSize[kind]} one or more`;
  }
  const allTokens = inputTokens + outputTokensOf(option, maxTokens);
  if (contextTokens !== undefined && allTokens > contextTokens) {
    return `it holds ${contextTokens} tokens; ${allTokens} are wanted`;
  }
  if (maxOutputTokens !== undefined && maxTokens > maxOutputTokens) {
    return `it answers ${maxOutputTokens} tokens at most; ${maxTokens} are wanted`;
  }
  // A list may name a model with its date or its tag behind it.
  const isListed =
    health?.models.some((each) => each === model || each.startsWith(`${model}-`) || each === `${model}:latest`) ?? true;
  return health?.state === "up" && health.listsAll && !isListed
    ? "the provider did not list it when last looked at"
    : undefined;
}

/** Of a compatible server's model nothing is known, so it is given no more than it is asked for. */
const outputTokensOf = ({ leastThinking, maxOutputTokens }: Option, maxTokens: number): number =>
  leastThinking === undefined || maxOutputTokens === undefined
    ? maxTokens
    : tokensFor({ leastThinking, maxOutputTokens }, maxTokens);

function costOf(option: Option, { inputTokens, maxTokens }: ModelTask): number | undefined {
  const { price, longPrice } = option;
  if (price === undefined) return undefined;
  const applied: Price = longPrice !== undefined && inputTokens > longPrice.overInputTokens ? longPrice : price;
  const usd = (inputTokens * applied.inputUsd + outputTokensOf(option, maxTokens) * applied.outputUsd) / 1_000_000;
  return Number(usd.toPrecision(4));
}

/**
 * 1 for the cheapest, 0 for the dearest, and between them by how many times dearer: prices lie so far apart that by their
 * difference all but the dearest would look the same.
 */
function compareCosts(costs: readonly (number | undefined)[]): (cost: number | undefined) => number {
  const logs = costs.filter((cost) => cost !== undefined).map(Math.log);
  const low = Math.min(...logs);
  const high = Math.max(...logs);
  return (cost) => {
    if (cost === undefined) return unknownWorth;
    return high === low ? 1 : (high - Math.log(cost)) / (high - low);
  };
}
