import type { EventType } from "@viable/log";
import { eventType } from "@viable/log";
import { awaitedEvents, runEvents } from "@viable/protocol";

/** The events that this room writes: of runs, and of what they wait for from outside. */
export const reactorEventTypes: readonly EventType[] = [
  ...Object.entries(runEvents),
  ...Object.entries(awaitedEvents),
].map(([type, schema]) => eventType(type, schema));
