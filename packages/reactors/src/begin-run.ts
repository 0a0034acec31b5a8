import type { Context, JsonValue } from "@viable/kernel";
import { canonicalJson, invariant } from "@viable/kernel";
import type { RunEvent } from "@viable/protocol";
import type { ReactorDefinition } from "./definition.ts";
import { checkForkSize, forkedOutcomes } from "./fork-run.ts";
import { planOf } from "./plan.ts";
import { Progress } from "./progress.ts";
import type { RunSource } from "./read-progress.ts";
import { readProgress } from "./read-progress.ts";
import { firstEvent, toRunEvent } from "./read-run.ts";
import type { RunCarrier } from "./run-carrier.ts";
import { endingOf } from "./run-endings.ts";
import { runIdFor } from "./run-id.ts";
import { runStream } from "./run-journal.ts";
import { checkKey, judgeInput, toStart } from "./run-start.ts";

/** Outcomes that a fork may take over, and their size: below what one append may carry. */
const maxForked = { events: 1_900, chars: 7 * 1024 * 1024 };
/** When a beginning is worth another try that would have been one open run too many, in milliseconds. */
const overloadedMs = 1_000;

export interface BeginOptions {
  /** A second beginning under the same key, of the same reactor and tenant, answers with the first run. */
  readonly key?: string;
  /** What it directly follows from, such as the command that begins it, and the session that this belongs to: noted with its first event. */
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
    };

/** What a beginning needs: the log and the definitions, and whoever carries runs on in this process. */
export interface BeginPorts extends RunSource {
  readonly carrier: Pick<RunCarrier, "open" | "claim" | "whileBeginning" | "driveBegun">;
  /** How many runs without an outcome there may be. */
  readonly maxOpenRuns: number;
}

/** Begins a run of the reactor's newest version. Throws `reactor.unknown` and `reactor.invalid_input`; then nothing was recorded. */
export async function beginRun(
  ctx: Context,
  ports: BeginPorts,
  name: string,
  input: unknown,
  options: BeginOptions,
): Promise<Begun> {
  const { key } = options;
  const definition = ports.definitions.newest(name);
  const judged = judgeInput(definition, input);
  if (key !== undefined) checkKey(name, key);
  const { size } = ports.carrier.open;
  if (size >= ports.maxOpenRuns)
    return { ok: false, reason: "overloaded", message: `${size} runs are open.`, retryAfterMs: overloadedMs };
  const runId = key === undefined ? ctx.runtime.ids.next("run") : runIdFor([ctx.tenant, name, key]);
  const claim = ports.carrier.claim(1);
  const data = toStart(definition, judged, ctx.runtime.clock.now(), { claim, key });
  return await append(ctx, ports, definition, runId, [{ type: "run.started", data }], options);
}

/** Begins a run that repeats one that has ended from one of its outermost steps on. Throws `reactor.not_forkable`, `reactor.invalid_input`. */
export async function forkRun(ctx: Context, ports: BeginPorts, runId: string, options: ForkOptions): Promise<Begun> {
  const { from, input, key } = options;
  if (key !== undefined) checkKey("fork", key);
  if ((await endingOf(ctx, ports.log, runId)) === undefined)
    return { ok: false, reason: "not_ended", message: `The run ${runId} has not ended.` };
  const original = await readProgress(ctx, ports, runId);
  if (original === undefined) {
    const message = `The definition that ${runId} began with is not here.`;
    return { ok: false, reason: "unknown_definition", message };
  }
  const { definition } = original.plan;
  const judged = input === undefined ? (original.input as JsonValue) : judgeInput(definition, input);
  const kept = forkedOutcomes(original, from);
  checkForkSize(runId, kept, maxForked.events, maxForked.chars);
  const forkId = key === undefined ? ctx.runtime.ids.next("run") : runIdFor([ctx.tenant, "fork", runId, from, key]);
  const claim = ports.carrier.claim(1);
  const forkedFrom = { runId, step: from };
  const data = toStart(definition, judged, ctx.runtime.clock.now(), { claim, forkedFrom });
  return await append(ctx, ports, definition, forkId, [{ type: "run.started", data }, ...kept], options);
}

/** Writes the first events of a run, and carries it on where they claim it for this process. */
async function append(
  ctx: Context,
  { log, carrier }: BeginPorts,
  definition: ReactorDefinition,
  runId: string,
  events: readonly [RunEvent & { type: "run.started" }, ...RunEvent[]],
  { causation, session }: BeginOptions,
): Promise<Begun> {
  const [{ data }] = events;
  const stream = runStream(runId);
  const outcome = await carrier.whileBeginning(runId, async () => {
    const answer = await log.append(ctx, {
      streams: [{ stream, expected: 0, events: events as never, correlation: runId, causation, session }],
    });
    if (answer.ok && data.claim !== undefined) {
      const progress = new Progress(planOf(definition), runId);
      for (const [index, event] of events.entries()) progress.apply(event, index + 1);
      carrier.driveBegun(ctx, progress, data.claim);
    }
    return answer;
  });
  if (outcome.ok) return { ok: true, runId, repeated: outcome.repeated };
  if (outcome.reason === "overloaded") {
    const { waiting, retryAfterMs } = outcome;
    const message = `${waiting} appends are waiting for the database.`;
    return { ok: false, reason: "overloaded", message, retryAfterMs };
  }
  return await findFirst(ctx, log, runId, data.input);
}

/** The run that a key stands for already. */
async function findFirst(ctx: Context, log: RunSource["log"], runId: string, input: JsonValue): Promise<Begun> {
  const first = await firstEvent(ctx, log, runId);
  const started = first && toRunEvent(first);
  invariant(started?.type === "run.started", "W5", `the run ${runId} is there and cannot be read`);
  if (canonicalJson(started.data.input) === canonicalJson(input)) return { ok: true, runId, repeated: true };
  return { ok: false, reason: "mismatch", message: "This key was used for a run with another input." };
}
