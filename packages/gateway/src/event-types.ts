import type { EventType } from "@viable/log";
import { eventType } from "@viable/log";
import { coordinationEvents, exportEvents, sessionEvents, sharingEvents, webhookEvents } from "@viable/protocol";

/** The events that this room writes: of sessions, of what their clients do together, and of messages to receivers. */
export const gatewayEventTypes: readonly EventType[] = Object.entries({
  ...sessionEvents,
  ...sharingEvents,
  ...coordinationEvents,
  ...exportEvents,
  ...webhookEvents,
}).map(([type, schema]) => eventType(type, schema));
