import type { Context, JsonValue } from "@viable/kernel";
import { canonicalJson, invariant } from "@viable/kernel";
import type { Log } from "@viable/log";
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
  /** A second beginning under the same key, of the same reactor and tenant, answers with the first run, also where no other could begin. */
  readonly key?: string;
  /**
   * What it directly follows from, such as the command that begins it, and the session that this belongs to: noted with its first event.
   * Where that is a run, how long a chain it ends is counted. What began the first run of a key finds it again whatever its input comes to by
   * then: it was the same beginning, done again after a crash.
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
  | {
      readonly ok: true;
      readonly runId: string;
      /** An earlier beginning under this key had begun it, with the same input. */
      readonly repeated: boolean;
    }
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
  const runId = toRunId(ctx, name, [name], options.key);
  const first = await findFirst(ctx, ports.log, runId, options);
  if (first !== undefined && isOwn(first, options)) return { ok: true, runId, repeated: false };
  const definition = ports.definitions.newest(name);
  const judged = judgeInput(definition, input);
  if (first !== undefined) return answerAgain(first, judged);
  return await begin(ctx, ports, { runId, definition, input: judged }, options);
}

/** Begins a run that repeats one that has ended from one of its outermost steps on. Throws `reactor.not_forkable`, `reactor.invalid_input`. */
export async function forkRun(ctx: Context, ports: BeginPorts, runId: string, options: ForkOptions): Promise<Begun> {
  const { from, input } = options;
  const forkId = toRunId(ctx, runId, ["fork", runId, from], options.key);
  const first = await findFirst(ctx, ports.log, forkId, options);
  if (first !== undefined && isOwn(first, options)) return { ok: true, runId: forkId, repeated: false };
  // Of one that is there already it does not matter what has become since of the run that it repeats.
  if (first === undefined && (await endingOf(ctx, ports.log, runId)) === undefined)
    return { ok: false, reason: "not_ended", message: `The run ${runId} has not ended.` };
  const original = await readOriginal(ctx, ports, runId);
  if (original === undefined) {
    const message = `The definition that ${runId} began with is not here.`;
    return { ok: false, reason: "unknown_definition", message };
  }
  const { plan, input: before } = original.progress;
  const judged = input === undefined ? (before as JsonValue) : judgeInput(plan.definition, input);
  if (first !== undefined) return answerAgain(first, judged);
  const fork = { from: { runId, step: from }, kept: forkedOutcomes(original, from) };
  return await begin(ctx, ports, { runId: forkId, definition: plan.definition, input: judged, fork }, options);
}

/** A run that is to begin. */
interface Beginning {
  readonly runId: string;
  readonly definition: ReactorDefinition;
  /** As it is kept. */
  readonly input: JsonValue;
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
  { runId, definition, input, fork }: Beginning,
  options: BeginOptions,
): Promise<Begun> {
  const { key, causation, session } = options;
  const { size } = carrier.open;
  if (size >= maxOpenRuns)
    return { ok: false, reason: "overloaded", message: `${size} runs are open.`, retryAfterMs: overloadedMs };
  await checkHops(ctx, log, definition.name, causation);
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
  if (outcome.ok) return { ok: true, runId, repeated: false };
  if (outcome.reason === "overloaded") {
    const { waiting, retryAfterMs } = outcome;
    const message = `${waiting} appends are waiting for the database.`;
    return { ok: false, reason: "overloaded", message, retryAfterMs };
  }
  // Somebody else has begun it in this moment.
  const first = await findFirst(ctx, log, runId, options);
  invariant(first !== undefined, "W5", `the run ${runId} is there and cannot be read`);
  return isOwn(first, options) ? { ok: true, runId, repeated: false } : answerAgain(first, input);
}

/** The run that a key stands for already. */
interface FirstRun {
  readonly runId: string;
  readonly principal: string;
  readonly causation: string | undefined;
  readonly input: JsonValue;
}

/** What a run is known by that is to begin: under a key the same each time. Throws `reactor.invalid_input` where the key is none. */
function toRunId(ctx: Context, of: string, knownBy: readonly string[], key: string | undefined): string {
  if (key === undefined) return ctx.runtime.ids.next("run");
  checkKey(of, key);
  return runIdFor([ctx.tenant, ...knownBy, key]);
}

async function findFirst(ctx: Context, log: Log, runId: string, { key }: BeginOptions): Promise<FirstRun | undefined> {
  const stored = key === undefined ? undefined : await firstEvent(ctx, log, runId);
  if (stored === undefined) return undefined;
  const event = toRunEvent(stored);
  invariant(event.type === "run.started", "W5", `the run ${runId} does not begin with its beginning`);
  const { actor: principal, causation } = stored.metadata;
  return { runId, principal, causation, input: event.data.input };
}

/** Whether the same beginning has begun it, before a crash. What it is given may come out otherwise by now. */
const isOwn = (first: FirstRun, { causation }: BeginOptions): boolean =>
  causation !== undefined && first.causation === causation;

/** What is told of the run that a key stands for to whoever would have begun it with this input. */
function answerAgain({ runId, principal, input: before }: FirstRun, input: JsonValue): Begun {
  if (canonicalJson(before) === canonicalJson(input)) return { ok: true, runId, repeated: true };
  const message = "This key was used for a run with another input.";
  return { ok: false, reason: "mismatch", message, first: { runId, principal } };
}
