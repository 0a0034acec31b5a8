/** Asking a model through a cache that another service keeps, and the next provider when one fails. */
import { createHash } from "node:crypto";
import { canonicalJson, ViableError } from "@viable/kernel";
import type { AgentContext } from "viable";
import { z } from "zod";
import { askModel, type Question } from "./ask-model.ts";
import { historyKey, readHistory, recordCall } from "./call-history.ts";
import { type Candidate, type Excluded, type ModelTask, rankModels } from "./choose-model.ts";
import { estimateTokens } from "./estimate-tokens.ts";
import { catalogue } from "./models.ts";
import { openSeal, type Seal } from "./open-seal.ts";
import { type Health, readHealth } from "./provider-health.ts";
import type { Configuration, Provider, ProviderName } from "./providers.ts";
import { howToConfigure, howToConfigureOne } from "./providers.ts";

/** What asking through the cache needs of an agent's context. */
export type AskingContext = Pick<AgentContext, "memory" | "delegate" | "signal" | "runtime" | "tenant" | "progress">;

export interface CachedQuestion extends Question {
  readonly kind: ModelTask["kind"];
  readonly wish: ModelTask["wish"];
  /** Only these; all where they are not named. */
  readonly provider?: ProviderName | undefined;
  readonly model?: string | undefined;
  readonly expiresInMs: number;
  /** Asks again even where the answer is known. */
  readonly refresh: boolean;
}

export type CachedAnswer = {
  readonly text: string;
  /** Who said it: `openai:gpt-6-luna`. */
  readonly origin: string;
  readonly hit: boolean;
  readonly key: string;
  readonly isCut: boolean;
  readonly askedAt: string;
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  /** Why the answer was not kept, or could not be looked for. */
  readonly notCached?: string;
  /** Who was asked before and failed. */
  readonly failed: readonly Failure[];
};

type Target = { readonly provider: Provider; readonly model: string };

type Failure = { readonly provider: ProviderName; readonly model: string; readonly reason: string };

const cacheCapability = "data_persistence.cache";
/** The cache is there to save time: one that takes longer is gone round. */
const cacheTimeoutMs = 5_000;

const kept = z.object({
  text: z.string().min(1),
  isCut: z.boolean(),
  askedAt: z.string(),
  inputTokens: z.number().optional(),
  outputTokens: z.number().optional(),
});
const sealed = z.object({ answer: kept, seal: z.string() });
const looked = z.object({ hit: z.boolean(), value: z.unknown().optional() });

/**
 * Answers from the cache, else by the best model, else by that of the next provider. Throws `ai.no_model` when none is
 * configured for it, `ai.all_failed` when all that were asked failed. Without a cache it asks each time and says so.
 */
export async function askCached(
  ctx: AskingContext,
  { providers, problems }: Configuration,
  question: CachedQuestion,
): Promise<CachedAnswer> {
  const { targets, excluded } = await chooseTargets(ctx, providers, question);
  if (targets.length === 0) throw noModel(question, problems, excluded);
  const seal = await openSeal(ctx);
  const failures: Failure[] = [];
  for (const { provider, model } of targets) {
    const key = cacheKey(ctx.tenant, provider, model, question);
    const origin = `${provider.name}:${model}`;
    const found = question.refresh ? { isThere: true as const } : await lookUp(ctx, key, seal);
    if (found.isThere && found.value !== undefined) {
      return { ...found.value, origin, hit: true, key, failed: failures };
    }
    ctx.progress(20, `Asking ${origin}`);
    const askedAt = new Date(ctx.runtime.clock.now()).toISOString();
    const startedMs = ctx.runtime.clock.monotonicMs();
    const record = (ok: boolean): Promise<void> =>
      recordCall(ctx.memory, historyKey(provider.name, model), {
        at: ctx.runtime.clock.now(),
        ms: Math.round(ctx.runtime.clock.monotonicMs() - startedMs),
        ok,
      });
    const answer = await askModel(ctx, provider, model, question).catch((error: unknown) => {
      ctx.signal.throwIfAborted();
      if (error instanceof ViableError) return error;
      throw error;
    });
    await record(!(answer instanceof ViableError));
    if (answer instanceof ViableError) {
      failures.push({ provider: provider.name, model, reason: answer.message });
      continue;
    }
    const value = { ...answer, askedAt };
    const notCached = found.isThere
      ? await keep(ctx, key, { answer: value, seal: seal(key, value) }, question.expiresInMs)
      : found.reason;
    return { ...value, origin, hit: false, key, failed: failures, ...(notCached !== undefined && { notCached }) };
  }
  throw new ViableError("ai.all_failed", `${describeFailures(failures)}.`, {
    retryable: true,
    next: "Look at the providers by model_management.",
  });
}

/** `openai failed: it answered 500; anthropic failed: …` */
const describeFailures = (failures: readonly Failure[]): string =>
  failures.map(({ provider, reason }) => `${provider} failed: ${reason}`).join("; ");

/** The best model of each provider, best first: where one fails, its other models would most likely fail too. */
async function chooseTargets(
  ctx: AskingContext,
  all: readonly Provider[],
  question: CachedQuestion,
): Promise<{ targets: Target[]; excluded: readonly Excluded[] }> {
  const providers = all.filter(({ name }) => question.provider === undefined || name === question.provider);
  if (question.model !== undefined) {
    return { targets: findOwner(providers, question.model), excluded: [] };
  }
  const inputTokens = estimateTokens(`${question.system ?? ""}\n${question.prompt}`);
  const { candidates, excluded } = rankModels(
    providers,
    { kind: question.kind, wish: question.wish, inputTokens, maxTokens: question.maxTokens },
    {
      models: catalogue,
      history: await readHistory(ctx.memory),
      health: await readAllHealth(ctx, providers),
      now: ctx.runtime.clock.now(),
    },
  );
  const best = new Map<ProviderName, Candidate>();
  for (const candidate of candidates) if (!best.has(candidate.provider)) best.set(candidate.provider, candidate);
  const targets = [...best.values()].map(({ provider: name, model }) => ({
    provider: providers.find((each) => each.name === name) as Provider,
    model,
  }));
  return { targets, excluded };
}

/** A named model belongs to the provider that was given it, else to the one whose catalogue has it; another may be anybody's. */
function findOwner(providers: readonly Provider[], model: string): Target[] {
  const given = providers.filter((each) => each.model === model);
  const known = catalogue.find((each) => each.model === model);
  const owners =
    given.length > 0 ? given : providers.filter(({ name }) => known === undefined || name === known.provider);
  if (owners.length > 1) {
    // A guess would show somebody a prompt that was meant for another.
    throw new ViableError(
      "ai.whose_model",
      `${model} may be a model of ${owners.map(({ name }) => name).join(" or ")}.`,
      {
        next: "Name the provider as well.",
      },
    );
  }
  return owners.map((provider) => ({ provider, model }));
}

/** What is remembered of the health of these providers. */
export async function readAllHealth(
  ctx: Pick<AgentContext, "memory">,
  providers: readonly Provider[],
): Promise<ReadonlyMap<ProviderName, Health>> {
  const health = new Map<ProviderName, Health>();
  for (const provider of providers) {
    const found = await readHealth(ctx.memory, provider);
    if (found !== undefined) health.set(provider.name, found);
  }
  return health;
}

/** Everything that makes the answer what it is, and whose it is. */
function cacheKey(tenant: string, provider: Provider, model: string, question: CachedQuestion): string {
  const { system, prompt, maxTokens, temperature } = question;
  const of = {
    tenant,
    provider: provider.name,
    address: provider.baseUrl,
    model,
    system,
    prompt,
    maxTokens,
    temperature,
  };
  return `ai/${createHash("sha256").update(canonicalJson(of)).digest("hex")}`;
}

type LookUp =
  | { readonly isThere: true; readonly value?: z.output<typeof kept> | undefined }
  | { readonly isThere: false; readonly reason: string };

async function lookUp(ctx: AskingContext, key: string, seal: Seal): Promise<LookUp> {
  const outcome = await ctx.delegate(cacheCapability, { operation: "get", key }, { timeoutMs: cacheTimeoutMs });
  ctx.signal.throwIfAborted();
  if (!outcome.ok) return { isThere: false, reason: `${outcome.status}: ${outcome.error.message}` };
  const answer = looked.safeParse(outcome.result);
  if (!answer.success) return { isThere: false, reason: `${cacheCapability} answered what is no cache's answer.` };
  if (!answer.data.hit) return { isThere: true };
  // What lies there and is no answer of ours, of an earlier shape perhaps, is a miss and written over.
  const found = sealed.safeParse(answer.data.value);
  const isOurs = found.success && found.data.seal === seal(key, found.data.answer);
  return { isThere: true, value: isOurs ? found.data.answer : undefined };
}

async function keep(
  ctx: AskingContext,
  key: string,
  value: z.output<typeof sealed>,
  expiresInMs: number,
): Promise<string | undefined> {
  const args = { operation: "put", key, value, expiresInMs };
  const outcome = await ctx.delegate(cacheCapability, args, { timeoutMs: cacheTimeoutMs });
  ctx.signal.throwIfAborted();
  return outcome.ok ? undefined : `${outcome.status}: ${outcome.error.message}`;
}

function noModel(
  { provider, model, kind }: CachedQuestion,
  problems: Configuration["problems"],
  excluded: readonly Excluded[],
): ViableError {
  if (excluded.length > 0) {
    const reasons = excluded.map((each) => `${each.provider}:${each.model}: ${each.reason}`).join("; ");
    return new ViableError("ai.no_model", `None of the configured models fits. ${reasons}.`, {
      next: "Ask for less, or look at what there is by llm_routing and model_management.",
    });
  }
  const wanted = [provider, model].filter((each) => each !== undefined).join(" ");
  const owner = provider ?? catalogue.find((each) => each.model === model)?.provider;
  const [problem] = problems.filter((each) => owner === undefined || each.provider === owner);
  return new ViableError(
    "ai.no_model",
    problem?.reason ??
      (wanted === "" ? `No model is configured that fits a "${kind}" task.` : `${wanted} is not configured here.`),
    { next: problem?.next ?? (owner === undefined ? howToConfigure : howToConfigureOne(owner)) },
  );
}
