import type { EventType } from "@viable/log";
import { eventType } from "@viable/log";
import { coordinationEvents, exportEvents, sessionEvents, sharingEvents } from "@viable/protocol";

/** The events that this room writes: of sessions, and of what their clients do together. */
export const sessionEventTypes: readonly EventType[] = Object.entries({
  ...sessionEvents,
  ...sharingEvents,
  ...coordinationEvents,
  ...exportEvents,
}).map(([type, schema]) => eventType(type, schema));
