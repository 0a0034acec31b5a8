import type { EventType } from "@viable/log";
import { eventType } from "@viable/log";
import { capabilityEvents } from "@viable/protocol";

/** The events that are written of capabilities: that one was minted, that one was revoked. */
export const capabilityEventTypes: readonly EventType[] = Object.entries(capabilityEvents).map(([type, schema]) =>
  eventType(type, schema),
);
