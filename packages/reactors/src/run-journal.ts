import type { Context } from "@viable/kernel";
import { backoffMs, sleep } from "@viable/kernel";
import type { AppendOutcome, Log, NewEvent, StreamAppend } from "@viable/log";
import { mayPass } from "@viable/log";
import type { RunEvent } from "@viable/protocol";

/** Events of one append: below the log's own bound, with room for a second stream beside it. */
const maxEvents = 1_000;
/** Characters of one append's events, below the log's bound of 8 MiB: a result and a child's input fit. */
const maxChars = 7 * 1024 * 1024;
/** Tries while the database is away; whoever has the claim meanwhile loses it first. */
const askBackoff = { baseMs: 50, maxMs: 1_000, maxAttempts: Number.POSITIVE_INFINITY };

const streamPrefix = "run:";
export const runStream = (runId: string): string => streamPrefix + runId;
export const runIdOf = (stream: string): string => stream.slice(streamPrefix.length);
export const isRunStream = (stream: string): boolean => stream.startsWith(streamPrefix);

/** An event on its way into the log, and about how large it is. */
export interface Pending {
  readonly event: RunEvent;
  readonly chars: number;
  /** First event of another run, to be written with it or not at all. */
  readonly begins?: { readonly runId: string; readonly event: RunEvent };
  /**
   * It was decided on a failure of the run that is not durable yet: what is written instead where somebody else wrote first, and the run
   * goes on; null for nothing.
   */
  readonly ifGoing?: RunEvent | null;
  /** Told once it is durable, or that it will not be written, because it says nothing any more. */
  readonly onWritten?: (isDurable: boolean) => void;
}

/** What came of writing: all of it is durable; somebody else has written to the stream; or the claim was lost on the way. */
export type Written =
  | { readonly kind: "written"; readonly version: number }
  | { readonly kind: "overtaken"; readonly written: number; readonly version: number }
  | { readonly kind: "lost" };

/**
 * Appends events to a run's stream after a version, in their order, in as many appends as they take. A database that is away is asked
 * again for as long as `mayGoOn` says. `written` tells how many were written before somebody else was quicker.
 */
export async function writeRun(
  ctx: Context,
  log: Log,
  runId: string,
  version: number,
  pending: readonly Pending[],
  mayGoOn: () => boolean,
): Promise<Written> {
  let at = version;
  for (let from = 0; from < pending.length; ) {
    const part = partOf(pending, from);
    const request = { streams: toWrites(ctx, runId, at, part) };
    const outcome = await untilAnswered(ctx, () => log.append(ctx, request), mayGoOn, whenOverloaded);
    if (outcome === undefined) return { kind: "lost" };
    if (!outcome.ok) return { kind: "overtaken", written: from, version: at };
    at += part.length;
    from += part.length;
  }
  return { kind: "written", version: at };
}

/** The run's own events, and the first of another that begins with them. Known by the id of the first, they can be sent again until it is known what became of them. */
function toWrites(ctx: Context, runId: string, at: number, part: readonly Pending[]): StreamAppend[] {
  const events = part.map(({ event }): NewEvent => event);
  events[0] = { ...(events[0] as NewEvent), id: ctx.runtime.ids.next("evt") };
  const writes: StreamAppend[] = [{ stream: runStream(runId), expected: at, events, correlation: runId }];
  for (const { begins } of part) {
    if (begins === undefined) continue;
    const stream = runStream(begins.runId);
    writes.push({ stream, expected: 0, events: [begins.event], correlation: runId, causation: runId });
  }
  return writes;
}

const whenOverloaded = (answer: AppendOutcome): number | undefined =>
  !answer.ok && answer.reason === "overloaded" ? answer.retryAfterMs : undefined;

/**
 * What the log answers; asked again where it is away, or where its answer says after how many milliseconds, for as long as `mayGoOn` says;
 * undefined where it says so no more.
 */
export async function untilAnswered<T>(
  ctx: Context,
  ask: () => Promise<T>,
  mayGoOn: () => boolean,
  retryAfterMs: (answer: T) => number | undefined = () => undefined,
): Promise<T | undefined> {
  for (let failures = 1; mayGoOn(); failures++) {
    let waitMs: number | undefined;
    try {
      const answer = await ask();
      waitMs = retryAfterMs(answer);
      if (waitMs === undefined) return answer;
    } catch (error) {
      if (ctx.signal.aborted) return undefined;
      if (!mayPass(error)) throw error;
    }
    waitMs ??= backoffMs(askBackoff, Math.min(failures, 10), ctx.runtime.random) ?? 0;
    await sleep(ctx, waitMs).catch(() => undefined);
  }
  return undefined;
}

/** As many as fit one append; one that begins another run goes alone, since that may turn out to be there. */
function partOf(pending: readonly Pending[], from: number): readonly Pending[] {
  let chars = 0;
  let to = from;
  for (; to < pending.length && to - from < maxEvents; to++) {
    const next = pending[to] as Pending;
    chars += next.chars + 100;
    if (to > from && (chars > maxChars || next.begins !== undefined)) break;
    if (next.begins !== undefined) return [next];
  }
  return pending.slice(from, to);
}
