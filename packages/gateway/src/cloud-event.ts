import type { StoredEvent } from "@viable/log";
import type { CloudEvent } from "@viable/protocol";

/**
 * What CloudEvents calls the source: the system. A reference that stays what it is when a gateway moves, or when another gateway
 * answers for the same log: whoever gets an event twice knows it by source and id. Ids are unique in a log.
 */
export const sourceOf = (system: string): string => `/systems/${encodeURIComponent(system)}`;

/** An event as CloudEvents 1.0 has it, whole, whatever its size: one event, one content. */
export function toCloudEvent(event: StoredEvent, source: string): CloudEvent {
  const { tenant, actor, session, correlation, causation, traceparent, schemaVersion = 1 } = event.metadata;
  const optional = {
    actor,
    sessionid: session,
    correlationid: correlation,
    causationid: causation,
    traceparent,
    undecodable: event.undecodable,
  };
  return {
    specversion: "1.0",
    id: toAttribute(event.id),
    source,
    type: toAttribute(event.type),
    subject: toAttribute(event.stream),
    time: new Date(event.time).toISOString(),
    datacontenttype: "application/json",
    streamversion: event.version,
    schemaversion: schemaVersion,
    position: event.position,
    tenant: toAttribute(tenant),
    ...Object.fromEntries(
      Object.entries(optional).flatMap(([name, text]) => (text ? [[name, toAttribute(text)]] : [])),
    ),
    data: event.data as CloudEvent["data"],
  };
}

/** Names in the log may hold control characters and non-characters, attributes may not: each shows as U+FFFD. */
const toAttribute = (text: string): string =>
  text.toWellFormed().replace(/[\p{Cc}\p{Noncharacter_Code_Point}]/gu, "\ufffd");
