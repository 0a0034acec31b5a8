import { gatewayEventTypes } from "@viable/gateway";
import type { EventType } from "@viable/log";
import { logEventTypes } from "@viable/log";
import { reactorEventTypes, scheduleEventTypes } from "@viable/reactors";
import { registryEventTypes } from "@viable/registry";
import { capabilityEventTypes, sealEventTypes, userEventTypes, violationEventTypes } from "@viable/security";
import { swarmEventTypes } from "@viable/swarm";

/** Every type of event that the rooms of a system write. One that is missing here cannot be written. */
export const eventTypes: readonly EventType[] = [
  ...logEventTypes,
  ...gatewayEventTypes,
  ...swarmEventTypes,
  ...registryEventTypes,
  ...sealEventTypes,
  ...capabilityEventTypes,
  ...violationEventTypes,
  ...userEventTypes,
  ...reactorEventTypes,
  ...scheduleEventTypes,
];
