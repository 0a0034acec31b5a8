import type { Context, JsonValue } from "@viable/kernel";
import { canonicalJson, invariant } from "@viable/kernel";
import type { RunEvent } from "@viable/protocol";
import type { ReactorDefinition } from "./definition.ts";
import { checkForkSize, forkedOutcomes } from "./fork-run.ts";
import { checkHops } from "./hops-from.ts";
import { readOriginal } from "./original-run.ts";
import { planOf } from "./plan.ts";
import { Progress } from "./progress.ts";
import type { RunSource } from "./read-progress.ts";
import { firstEvent, toRunEvent } from "./read-run.ts";
import type { RunCarrier } from "./run-carrier.ts";
import { endingOf } from "./run-endings.ts";
import { runIdFor } from "./run-id.ts";
import { runStream } from "./run-journal.ts";
import { checkKey, judgeInput, toStart } from "./run-start.ts";

/** When a beginning is worth another try that would have been one open run too many, in milliseconds. */
const overloadedMs = 1_000;

export interface BeginOptions {
  /** A second beginning under the same key, of the same reactor and tenant, answers with the first run. */
  readonly key?: string;
  /**
   * What it directly follows from, such as the command that begins it, and the session that this belongs to: noted with its first event.
   * Where that is a run, how long a chain it ends is counted.
   */
  readonly causation?: string | undefined;
  readonly session?: string | undefined;
}

export interface ForkOptions extends BeginOptions {
  /** One of the run's outermost steps: it and what comes after it are done again. */
  readonly from: string;
  /** Default: the run's own. */
  readonly input?: unknown;
}

/** What came of a beginning. */
export type Begun =
  | { readonly ok: true; readonly runId: string; readonly repeated: boolean }
  | {
      readonly ok: false;
      /**
       * `mismatch`: the key stands for a run with another input. `overloaded`: try again after `retryAfterMs`. Of a fork: the run has not
       * ended, or its definition is not here.
       */
      readonly reason: "mismatch" | "overloaded" | "not_ended" | "unknown_definition";
      readonly message: string;
      readonly retryAfterMs?: number;
      /** With `mismatch`, the run that the key stands for, and who began it. */
      readonly first?: { readonly runId: string; readonly principal: string };
    };

/** What a beginning needs: the log and the definitions, and whoever carries runs on in this process. */
export interface BeginPorts extends RunSource {
  readonly carrier: Pick<RunCarrier, "open" | "claim" | "whileBeginning" | "driveBegun">;
  /** How many runs without an outcome there may be. */
  readonly maxOpenRuns: number;
}

/** Begins a run of the reactor's newest version. Throws `reactor.unknown`, `reactor.invalid_input` and `reactor.too_deep`; then nothing was recorded. */
export async function beginRun(
  ctx: Context,
  ports: BeginPorts,
  name: string,
  input: unknown,
  options: BeginOptions,
): Promise<Begun> {
  const definition = ports.definitions.newest(name);
  return await begin(ctx, ports, { definition, input: judgeInput(definition, input), knownBy: [name] }, options);
}

/** Begins a run that repeats one that has ended from one of its outermost steps on. Throws `reactor.not_forkable`, `reactor.invalid_input`. */
export async function forkRun(ctx: Context, ports: BeginPorts, runId: string, options: ForkOptions): Promise<Begun> {
  const { from, input } = options;
  if ((await endingOf(ctx, ports.log, runId)) === undefined)
    return { ok: false, reason: "not_ended", message: `The run ${runId} has not ended.` };
  const original = await readOriginal(ctx, ports, runId);
  if (original === undefined) {
    const message = `The definition that ${runId} began with is not here.`;
    return { ok: false, reason: "unknown_definition", message };
  }
  const { plan, input: before } = original.progress;
  const forked = {
    definition: plan.definition,
    input: input === undefined ? (before as JsonValue) : judgeInput(plan.definition, input),
    knownBy: ["fork", runId, from],
    fork: { from: { runId, step: from }, kept: forkedOutcomes(original, from) },
  };
  return await begin(ctx, ports, forked, options);
}

/** A run that is to begin. */
interface Beginning {
  readonly definition: ReactorDefinition;
  /** As it is kept. */
  readonly input: JsonValue;
  /** What it is known by within its tenant, beside its key. */
  readonly knownBy: readonly string[];
  /** What it repeats another run from, and what it takes over of that. */
  readonly fork?: {
    readonly from: { readonly runId: string; readonly step: string };
    readonly kept: readonly RunEvent[];
  };
}

/** Writes the first events of a run, and carries it on where they claim it for this process. */
async function begin(
  ctx: Context,
  { log, carrier, maxOpenRuns }: BeginPorts,
  { definition, input, knownBy, fork }: Beginning,
  { key, causation, session }: BeginOptions,
): Promise<Begun> {
  if (key !== undefined) checkKey(definition.name, key);
  const { size } = carrier.open;
  if (size >= maxOpenRuns)
    return { ok: false, reason: "overloaded", message: `${size} runs are open.`, retryAfterMs: overloadedMs };
  await checkHops(ctx, log, definition.name, causation);
  const runId = key === undefined ? ctx.runtime.ids.next("run") : runIdFor([ctx.tenant, ...knownBy, key]);
  const claim = carrier.claim(1);
  const data = toStart(definition, input, ctx.runtime.clock.now(), { claim, key, forkedFrom: fork?.from });
  const events: [RunEvent, ...RunEvent[]] = [{ type: "run.started", data }, ...(fork?.kept ?? [])];
  if (fork !== undefined) checkForkSize(fork.from.runId, events);
  // Before they are written: what cannot be made sense of must not stand in the log.
  const progress = new Progress(planOf(definition), runId);
  for (const [index, event] of events.entries()) progress.apply(event, index + 1);
  const outcome = await carrier.whileBeginning(runId, async () => {
    const answer = await log.append(ctx, {
      streams: [{ stream: runStream(runId), expected: 0, events, correlation: runId, causation, session }],
    });
    if (answer.ok && claim !== undefined) carrier.driveBegun(ctx, progress, claim);
    return answer;
  });
  if (outcome.ok) return { ok: true, runId, repeated: outcome.repeated };
  if (outcome.reason === "overloaded") {
    const { waiting, retryAfterMs } = outcome;
    const message = `${waiting} appends are waiting for the database.`;
    return { ok: false, reason: "overloaded", message, retryAfterMs };
  }
  return await findFirst(ctx, log, runId, input);
}

/** The run that a key stands for already. */
async function findFirst(ctx: Context, log: RunSource["log"], runId: string, input: JsonValue): Promise<Begun> {
  const first = await firstEvent(ctx, log, runId);
  const started = first && toRunEvent(first);
  invariant(
    first !== undefined && started?.type === "run.started",
    "W5",
    `the run ${runId} is there and cannot be read`,
  );
  if (canonicalJson(started.data.input) === canonicalJson(input)) return { ok: true, runId, repeated: true };
  const message = "This key was used for a run with another input.";
  return { ok: false, reason: "mismatch", message, first: { runId, principal: first.metadata.actor } };
}
