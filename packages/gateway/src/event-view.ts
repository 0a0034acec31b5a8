import type { JsonValue } from "@viable/kernel";
import type { StoredEvent } from "@viable/log";
import type { EventView } from "@viable/protocol";

/** Members of `data` above this many characters of JSON are left out of live feeds, in 64 KiB: a screen cannot show more, and a slow line should not carry it. */
const maxMemberChars = 64 * 1024;
/** The members that may be that large. Besides them, the details of a wait: that somebody is waited for a feed always tells. */
const largeMembers = ["result", "args", "input", "payload"] as const;

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

/** The event that a view shows, in the shape of today; what a view does not tell, which shape it was written in, is not there. */
export function fromEventView(view: EventView): StoredEvent {
  const { id, type, stream, version, position, time, tenant, actor, undecodable } = view;
  const { sessionId, correlationId, causationId, traceparent } = view;
  return {
    id,
    type,
    stream,
    version,
    position,
    time: Date.parse(time),
    metadata: {
      tenant,
      actor,
      ...(sessionId !== undefined && { session: sessionId }),
      ...(correlationId !== undefined && { correlation: correlationId }),
      ...(causationId !== undefined && { causation: causationId }),
      ...(traceparent !== undefined && { traceparent }),
    },
    data: view.data as StoredEvent["data"],
    ...(undecodable !== undefined && { undecodable }),
  };
}

/** An event for a live feed: what is large is left out, and named. */
export function toFeedEvent(event: StoredEvent): EventView {
  const view = toEventView(event);
  const data = { ...view.data };
  const omitted: string[] = largeMembers.filter((name) => isLarge(data[name]));
  for (const name of omitted) delete data[name];
  const { wait } = data;
  if (typeof wait === "object" && wait !== null && "details" in wait && isLarge(wait.details)) {
    const { details, ...rest } = wait;
    data.wait = rest;
    omitted.push("wait.details");
  }
  return omitted.length === 0 ? view : { ...view, data, omitted };
}

const isLarge = (value: JsonValue | undefined): boolean =>
  value !== undefined && JSON.stringify(value).length > maxMemberChars;
