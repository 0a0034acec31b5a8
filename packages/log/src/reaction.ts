import type { Context } from "@viable/kernel";
import { throwIfDone } from "@viable/kernel";
import type { EventFilter, StoredEvent } from "./events.ts";
import type { Projection } from "./projection.ts";

/** Something that is done because of events, outside of the log's database, such as telling somebody. */
export interface ReactionSettings {
  /** As a projection's: it stands among them, with how far it has come. */
  readonly name: string;
  readonly filter?: EventFilter;
  /** `now` begins with what comes after it was met first. Default `now`: few want their past done again. */
  readonly begins?: "start" | "now";
  /**
   * Does it, and rejects where it could not; one that may be done later rejects retryably. Done at least once for each event, in order,
   * and in one process at a time, as long as it ends with its context. Who was cut off between doing it and writing that down does it
   * again, up to a second's worth, so hand on the event's id to whoever can recognise a repeat.
   */
  readonly react: (event: StoredEvent, ctx: Context) => Promise<void>;
}

/** How long something may have been done without its being written down, in milliseconds, but for one that takes longer by itself. */
const writtenWithinMs = 1_000;

/**
 * A subscription with a position that is kept: a projection that keeps nothing but how far it has come. It parks before an event that
 * it cannot do, as every projection.
 */
export function reaction({ react, begins = "now", ...settings }: ReactionSettings): Projection {
  /** Where it stopped short: that was a try, and counts as the first of those that the event is given. */
  let failed: { position: string; error: unknown } | undefined;
  return {
    ...settings,
    begins,
    version: 1,
    isReaction: true,
    async project(events, _target, ctx) {
      const { clock } = ctx.runtime;
      const beganMs = clock.monotonicMs();
      let done: StoredEvent | undefined;
      const before = failed;
      failed = undefined;
      if (before !== undefined && before.position === events[0]?.position) throw before.error;
      for (const event of events) {
        if (done !== undefined && clock.monotonicMs() - beganMs >= writtenWithinMs) break;
        try {
          throwIfDone(ctx);
          await react(event, ctx);
        } catch (error) {
          // What was done is written down before the one that was not is tried again.
          if (done === undefined) throw error;
          if (!ctx.signal.aborted) failed = { position: event.position, error };
          break;
        }
        done = event;
      }
      return done === undefined ? {} : { upTo: done.position };
    },
  };
}
