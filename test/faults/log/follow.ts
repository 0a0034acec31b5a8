import type { Context, Random } from "@viable/kernel";
import { codeOf, sleep } from "@viable/kernel";
import type { EventFilter, Log, Position } from "@viable/log";
import { startPosition, toOrdinal } from "@viable/log";
import { tell } from "./lines.ts";

export interface FollowOptions {
  readonly after?: Position;
  readonly filter?: EventFilter;
  /** How a slow reader is slow: after some events it waits up to this long, in milliseconds, so that it falls behind and catches up. */
  readonly slow?: { readonly maxPauseMs: number; readonly random: Random };
}

/** How often the log is told to look again, in milliseconds: as often as somebody whom every flush wakes. */
const wakeMs = 3;

/** How long a subscription that could not read is left, in milliseconds: a server that was killed is back in about a second. */
const beginAgainMs = 100;

/**
 * Follows the log and tells every position and id that its subscription hands out, one line for each turn of the loop. What is
 * returned ends it after all that is stored by then.
 */
export function follow(ctx: Context, log: Log, options: FollowOptions): () => Promise<void> {
  let seen: [number, string][] = [];
  /** A slow reader may be far behind when it is ended; it reads the rest without a pause. */
  let isEnding = false;
  const flush = () => {
    if (seen.length > 0) tell(["seen", seen]);
    seen = [];
  };
  const begin = (after: Position): ReturnType<Log["subscribe"]> =>
    log.subscribe(ctx, {
      name: "follower",
      after,
      ...(options.filter !== undefined && { filter: options.filter }),
      handle: (event) => {
        if (seen.length === 0) setImmediate(flush);
        seen.push([toOrdinal(event.position), event.id]);
        if (options.slow === undefined || isEnding || options.slow.random.next() > 0.01) return;
        // Mostly short; now and then long enough for more to come than a subscription keeps.
        const factor = options.slow.random.next() < 0.1 ? 10 : 1;
        return sleep(ctx, options.slow.random.next() * options.slow.maxPauseMs * factor);
      },
      onParked: (error, at) => {
        flush();
        tell(["parked", codeOf(error)]);
        // While the database is away it would be parked again at once.
        setTimeout(() => {
          subscription = begin(at);
        }, beginAgainMs);
      },
    });
  let subscription = begin(options.after ?? startPosition);
  const waking = setInterval(() => log.wake(), wakeMs);
  return async () => {
    isEnding = true;
    const head = toOrdinal(await log.head(ctx));
    // A subscription is caught up with what its process has read; what it has not is waited for.
    while (toOrdinal(subscription.position) < head) await sleep(ctx, wakeMs);
    clearInterval(waking);
    subscription.stop();
    flush();
    tell(["followed", head]);
  };
}
