import type { Context, ErrorOnTheWire } from "@viable/kernel";
import { freezeJson, ViableError } from "@viable/kernel";
import type { Log, LogPage, ReadStreamOptions, StoredEvent } from "@viable/log";
import type { RunEvent } from "@viable/protocol";
import { runEvents } from "@viable/protocol";
import { runStream } from "./run-journal.ts";

/** How many events of a run are read at once. */
const pageEvents = 1_000;
/** How many of each where several runs are read: most have no more. */
const firstEvents = 32;

/** A run's events in their order, page by page; from its first one and up to its last unless told. */
export async function* readRun(
  ctx: Context,
  log: Log,
  runId: string,
  {
    fromVersion = 1,
    toVersion = Number.MAX_SAFE_INTEGER,
    ...options
  }: Pick<ReadStreamOptions, "fromVersion" | "decoding"> & { readonly toVersion?: number } = {},
): AsyncGenerator<StoredEvent> {
  for (let from = fromVersion; from <= toVersion; ) {
    const limit = Math.min(pageEvents, toVersion - from + 1);
    const { events, isEnd } = await log.readStreamPage(ctx, runStream(runId), { ...options, fromVersion: from, limit });
    yield* events;
    const last = events.at(-1);
    if (isEnd || last === undefined) return;
    from = last.version + 1;
  }
}

/**
 * The first events of several runs, in one question. One that cannot be brought to the shape of today says so, and costs the others nothing.
 * No more than 300 runs, so that each is given as many events as most have.
 */
export const readFirst = (ctx: Context, log: Log, runIds: readonly string[]): Promise<LogPage[]> =>
  log.readStreams(
    ctx,
    runIds.map((runId) => ({ stream: runStream(runId), fromVersion: 1 })),
    { limit: firstEvents, decoding: "lenient" },
  );

/** A run's events of which the first have been read. */
export async function* readRest(
  ctx: Context,
  log: Log,
  runId: string,
  { events, isEnd }: LogPage,
): AsyncGenerator<StoredEvent> {
  yield* events;
  if (!isEnd) yield* readRun(ctx, log, runId, { fromVersion: (events.at(-1)?.version ?? 0) + 1 });
}

/** The last event of a run of this tenant's; undefined where there is none (W11). */
export async function lastEvent(ctx: Context, log: Log, runId: string): Promise<StoredEvent | undefined> {
  const [last] = await log.readStream(ctx, runStream(runId), { direction: "backward", limit: 1 });
  return last?.metadata.tenant === ctx.tenant ? last : undefined;
}

/** The first event of a run of this tenant's. */
export async function firstEvent(ctx: Context, log: Log, runId: string): Promise<StoredEvent | undefined> {
  const [first] = await log.readStream(ctx, runStream(runId), { limit: 1 });
  return first?.metadata.tenant === ctx.tenant ? first : undefined;
}

/** An event of a run, typed by its name, whose data the log has judged; undefined where it is none, or could not be brought to the shape of today. */
export function asRunEvent({ type, data, undecodable }: StoredEvent): RunEvent | undefined {
  const event: { readonly type: string; readonly data: object } = { type, data };
  return undecodable === undefined && isRunEvent(event) ? event : undefined;
}

const isRunEvent = (event: { readonly type: string; readonly data: object }): event is RunEvent =>
  Object.hasOwn(runEvents, event.type);

/**
 * The same where there is no other: what stands in a run's stream, read strictly, and frozen. What it holds is handed to functions of the run:
 * what one of them changed would be seen by those after it, and stand in no event (W8). Throws `reactor.foreign_event` otherwise.
 */
export function toRunEvent(stored: StoredEvent): RunEvent {
  const event = asRunEvent(stored);
  if (event !== undefined) return freezeJson(event);
  throw new ViableError(
    "reactor.foreign_event",
    `Event ${stored.version} of ${stored.stream} is no event of a run: ${stored.undecodable ?? `there is no ${stored.type}`}.`,
    { next: "Find out what wrote it there: `viable events` shows it as it is stored." },
  );
}

/** How a run has ended. */
export type RunEnding = Extract<RunEvent, { type: keyof typeof endings }>;

const endings = { "run.completed": true, "run.failed": true, "run.compensated": true, "run.cancelled": true };

/** Whether a run whose last event this is has ended. */
export const isEnding = (event: RunEvent): event is RunEnding => Object.hasOwn(endings, event.type);

/** Whether an event of a run is its last, where nothing stands after it, in whatever shape it was read: one that has completed may be undone yet. */
export const endsRun = ({ type }: StoredEvent): boolean => Object.hasOwn(endings, type);

/** What a run that has ended without a result failed with. */
export function errorOf(ended: Exclude<RunEnding, { type: "run.completed" }>): ErrorOnTheWire {
  switch (ended.type) {
    case "run.failed":
      return ended.data.error;
    case "run.compensated": {
      const { error, reason, kind } = ended.data.cause;
      return (
        error ?? {
          code: "reactor.run_compensated",
          message: `The run was undone: ${reason ?? kind}.`,
          retryable: false,
        }
      );
    }
    case "run.cancelled": {
      const { by, reason } = ended.data;
      return { code: "reactor.run_cancelled", message: `Cancelled by ${by}: ${reason}.`, retryable: false };
    }
  }
}
