import type { EventType } from "@viable/log";
import { eventType } from "@viable/log";
import { deadLetterEvents } from "@viable/protocol";
import { conflictEventTypes } from "./conflicts/event-types.ts";

/** The events that this room writes: of tasks that came to nothing before anybody took them, and of conflicts that were settled. */
export const registryEventTypes: readonly EventType[] = [
  ...Object.entries(deadLetterEvents).map(([type, schema]) => eventType(type, schema)),
  ...conflictEventTypes,
];
