import type { EventType } from "@viable/log";
import { eventType } from "@viable/log";
import { deadLetterEvents } from "@viable/protocol";
import { conflictEventTypes } from "./conflicts/event-types.ts";
import { swarmHealthEventTypes } from "./monitor/health-event.ts";

/** The events that this room writes: of tasks that came to nothing before anybody took them, of conflicts that were settled, and of the health of swarms. */
export const registryEventTypes: readonly EventType[] = [
  ...Object.entries(deadLetterEvents).map(([type, schema]) => eventType(type, schema)),
  ...conflictEventTypes,
  ...swarmHealthEventTypes,
];
