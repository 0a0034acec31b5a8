import type { EventType } from "@viable/log";
import { eventType } from "@viable/log";
import { executionEvents, workEvents } from "@viable/protocol";

/** The events that this room writes: of executions, and of the work that equal ones share. */
export const swarmEventTypes: readonly EventType[] = [
  ...Object.entries(executionEvents),
  ...Object.entries(workEvents),
].map(([type, schema]) => eventType(type, schema));
