import type { EventType } from "@viable/log";
import { eventType } from "@viable/log";
import { sessionEvents } from "@viable/protocol";

/** The events that this room writes: of sessions. */
export const sessionEventTypes: readonly EventType[] = Object.entries(sessionEvents).map(([type, schema]) =>
  eventType(type, schema),
);
