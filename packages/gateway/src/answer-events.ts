import type { Position, StoredEvent } from "@viable/log";
import { cloudEventsBatchType } from "@viable/protocol";
import type { Context } from "hono";
import { accepts } from "hono/accepts";
import { toCloudEvent } from "./cloud-event.ts";
import { toEventView } from "./event-view.ts";

const ours = "application/json";

/**
 * A page of events in the form that the client asks for by `Accept`: ours, unless it would rather have CloudEvents. Those come as the
 * specification's batch, which is an array and nothing beside; so where to go on is a link (RFC 8288).
 */
export function answerEvents(
  c: Context,
  { events, next }: { events: readonly StoredEvent[]; next: Position | undefined },
  source: string,
): Response {
  c.header("vary", "Accept");
  const form = accepts(c, { header: "Accept", supports: [ours, cloudEventsBatchType], default: ours });
  if (form === ours) return c.json({ events: events.map(toEventView), ...(next !== undefined && { next }) });
  if (next !== undefined) c.header("link", `<${toNext(c, next)}>; rel="next"`);
  return c.body(JSON.stringify(events.map((event) => toCloudEvent(event, source))), 200, {
    "content-type": cloudEventsBatchType,
  });
}

/** The same question from another position on. Only the query, so that it is right under whatever address the client has asked. */
function toNext(c: Context, next: Position): string {
  const query = new URLSearchParams(c.req.query());
  query.delete("before");
  query.set("after", next);
  return `?${query}`;
}
