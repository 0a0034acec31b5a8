import type { Ids, JsonObject } from "@viable/kernel";
import type { EventType, NewEvent } from "@viable/log";
import { eventType } from "@viable/log";
import type { SwarmHealthChangeData } from "@viable/protocol";
import { swarmHealthEvents } from "@viable/protocol";
import type { HealthChange } from "./told-health.ts";

/** The events of the health of swarms. */
export const swarmHealthEventTypes: readonly EventType[] = Object.entries(swarmHealthEvents).map(([type, schema]) =>
  eventType(type, schema),
);

/** The stream of a service's swarms, in all processes. */
export const swarmStream = (service: string): string => `swarm:${service}`;

/** The event of a change. It has its id from here, so that what was sent twice is in the log once. */
export function toHealthEvent(
  ids: Ids,
  of: Omit<SwarmHealthChangeData, keyof HealthChange>,
  { from, to, unrecorded, isFlapping }: HealthChange,
): NewEvent {
  const data = {
    ...of,
    from,
    to,
    ...(unrecorded > 0 && { unrecorded }),
    ...(isFlapping && { isFlapping }),
  };
  return { type: "swarm.health_changed", id: ids.next("evt"), data: data as unknown as JsonObject };
}
