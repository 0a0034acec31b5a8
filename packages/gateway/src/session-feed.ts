import type { Context } from "@viable/kernel";
import type { EventFilter, Log, Position, StoredEvent } from "@viable/log";
import type { Context as HonoContext } from "hono";
import { streamSSE } from "hono/streaming";
import { toFeedEvent } from "./event-view.ts";

/** A comment this often keeps proxies and clients from taking a quiet feed for a dead one, in milliseconds. */
const heartbeatMs = 15_000;

export interface FeedOptions {
  readonly ctx: Context;
  readonly log: Log;
  readonly filter: EventFilter;
  readonly after: Position;
  /** Stored events to begin with, before what comes after the last of them. */
  readonly first?: readonly StoredEvent[];
  /** Ends the feed after an event for which this holds. */
  readonly endsWith?: (event: StoredEvent) => boolean;
}

/**
 * A live feed as server-sent events: what is stored after a position, then what comes, each with its position as `id`, so that
 * `Last-Event-ID` goes on without a gap or a repeat at any gateway. A slow reader is fed from the log at its own pace and
 * holds nobody up.
 */
export function streamFeed(c: HonoContext, options: FeedOptions): Response {
  const { ctx, log } = options;
  return streamSSE(c, async (stream) => {
    const write = (event: StoredEvent) =>
      stream.writeSSE({ id: event.position, event: event.type, data: JSON.stringify(toFeedEvent(event)) });
    for (const event of options.first ?? []) {
      await write(event);
      if (options.endsWith?.(event) === true) return;
    }
    await new Promise<void>((resolve) => {
      const subscription = log.subscribe(ctx, {
        name: "feed",
        after: options.first?.at(-1)?.position ?? options.after,
        filter: options.filter,
        handle: async (event) => {
          await write(event);
          if (options.endsWith?.(event) === true) finish();
        },
        onParked: () => finish(),
      });
      let beat = ctx.runtime.clock.setTimer(heartbeat, heartbeatMs, { background: true });
      function heartbeat() {
        void stream.write(": \n\n");
        beat = ctx.runtime.clock.setTimer(heartbeat, heartbeatMs, { background: true });
      }
      function finish() {
        subscription.stop();
        beat.cancel();
        resolve();
      }
      stream.onAbort(finish);
      ctx.signal.addEventListener("abort", finish, { once: true });
      // The client may have gone while the stored events were written: then nobody will tell.
      if (stream.aborted || ctx.signal.aborted) finish();
    });
  });
}
