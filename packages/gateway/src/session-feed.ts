import type { Context } from "@viable/kernel";
import { toWire } from "@viable/kernel";
import type { EventFilter, Log, Position, StoredEvent } from "@viable/log";
import { feedHeartbeatMs } from "@viable/protocol";
import type { Context as HonoContext } from "hono";
import { streamSSE } from "hono/streaming";
import { toFeedEvent } from "./event-view.ts";

export interface FeedOptions {
  readonly ctx: Context;
  readonly log: Log;
  readonly filter: EventFilter;
  readonly after: Position;
  /** Stored events to begin with, before what comes after the last of them. */
  readonly first?: AsyncIterable<StoredEvent>;
  /** Ends the feed after an event for which this holds. */
  readonly endsWith: (event: StoredEvent) => boolean;
  /** Ends the feed at this wall time in milliseconds, when what it was opened with is worth nothing any more; null for never. */
  readonly expiresAt: number | null;
  /** Whether what it was opened with still opens it: asked before each event and each heartbeat, so that nothing is told after a revocation is heard. */
  isOpen(): boolean;
  /** Told of what ends the feed and is ours to mend: its reader only sees it end, and asks again. */
  onError(error: unknown): void;
  /** Called once, when it has ended, however it has. */
  onEnd?(): void;
}

/**
 * A live feed as server-sent events: what is stored after a position, then what comes, each with its position as `id`, so that
 * `Last-Event-ID` goes on without a gap or a repeat at any gateway. A slow reader is fed from the log at its own pace and
 * holds nobody up.
 *
 * States: reading what is stored first → live → ended by its last event, by expiry, by its client, by a log that cannot be read, or by a
 * defect.
 */
export function streamFeed(c: HonoContext, options: FeedOptions): Response {
  const { ctx, log, endsWith, expiresAt, onError } = options;
  const { clock } = ctx.runtime;
  return streamSSE(c, async (stream) => {
    const ended = Promise.withResolvers<void>();
    let over = false;
    const end = () => {
      over = true;
      ended.resolve();
    };
    /** A log that cannot be read at present ends the feed without a word: its reader goes on from the last event when it can be. */
    const fail = (error: unknown) => {
      if (!over && !toWire(error).retryable) onError(error);
      end();
    };
    let beat = clock.setTimer(heartbeat, feedHeartbeatMs, { background: true });
    function heartbeat() {
      if (!options.isOpen()) return end();
      void stream.write(": \n\n");
      beat = clock.setTimer(heartbeat, feedHeartbeatMs, { background: true });
    }
    const expiry = expiresAt === null ? undefined : clock.setTimer(end, expiresAt - clock.now(), { background: true });
    stream.onAbort(end);
    ctx.signal.addEventListener("abort", end, { once: true });
    if (ctx.signal.aborted) end();

    /** Whoever does not read must not keep a feed from ending. */
    const write = async (event: StoredEvent): Promise<void> => {
      if (!over && !options.isOpen()) end();
      if (over) return;
      const data = JSON.stringify(toFeedEvent(event));
      await Promise.race([stream.writeSSE({ id: event.position, event: event.type, data }), ended.promise]);
      if (endsWith(event)) end();
    };
    try {
      let { after } = options;
      for await (const event of options.first ?? []) {
        await write(event);
        if (over) return;
        after = event.position;
      }
      const { filter } = options;
      const decoding = "lenient";
      const subscription = log.subscribe(ctx, { name: "feed", after, filter, decoding, handle: write, onParked: fail });
      await ended.promise;
      subscription.stop();
    } catch (error) {
      fail(error);
    } finally {
      beat.cancel();
      expiry?.cancel();
      ctx.signal.removeEventListener("abort", end);
      options.onEnd?.();
    }
  });
}
