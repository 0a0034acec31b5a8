import type { StoredEvent } from "@viable/log";
import type { EventView } from "@viable/protocol";

/** Members of `data` above this many characters of JSON are left out of live feeds, in 64 KiB: a screen cannot show more, and a slow line should not carry it. */
const maxMemberChars = 64 * 1024;
/** The members that may be that large. */
const largeMembers = ["result", "args"] as const;

/** An event as clients see it. */
export function toEventView(event: StoredEvent): EventView {
  const { metadata } = event;
  return {
    id: event.id,
    type: event.type,
    stream: event.stream,
    version: event.version,
    position: event.position,
    time: new Date(event.time).toISOString(),
    tenant: metadata.tenant,
    actor: metadata.actor,
    ...(metadata.session !== undefined && { sessionId: metadata.session }),
    ...(metadata.correlation !== undefined && { correlationId: metadata.correlation }),
    ...(metadata.causation !== undefined && { causationId: metadata.causation }),
    ...(metadata.traceparent !== undefined && { traceparent: metadata.traceparent }),
    data: { ...event.data } as EventView["data"],
    ...(event.undecodable !== undefined && { undecodable: event.undecodable }),
  };
}

/** The same for a live feed: what is large is left out, and named. */
export function toFeedEvent(event: StoredEvent): EventView {
  const view = toEventView(event);
  const omitted = largeMembers.filter(
    (name) => view.data[name] !== undefined && JSON.stringify(view.data[name]).length > maxMemberChars,
  );
  if (omitted.length === 0) return view;
  const data = { ...view.data };
  for (const name of omitted) delete data[name];
  return { ...view, data, omitted };
}
