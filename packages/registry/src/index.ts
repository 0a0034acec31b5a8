export type {
  Conflicts,
  ReleaseOutcome,
  ResourceClaim,
  ResourceClaimOutcome,
  ResourceHolder,
} from "./conflicts/conflicts.ts";
export { createConflicts } from "./conflicts/conflicts.ts";
export type { UndeliveredTask } from "./dead-letters.ts";
export * from "./define.ts";
export type { DiscoveryQuery } from "./discover.ts";
export { registryEventTypes } from "./event-types.ts";
export type { Migration, MigrationOutcome } from "./migration-rules.ts";
export type { SwarmMonitor, SwarmMonitorSettings } from "./monitor/swarm-monitor.ts";
export { createSwarmMonitor } from "./monitor/swarm-monitor.ts";
export type { Registered } from "./own-entries.ts";
export type { EndedTask, Registry, RegistrySettings } from "./registry.ts";
export { createRegistry } from "./registry.ts";
export type { RoutedTask } from "./route.ts";
export type { RouteOutcome } from "./router.ts";
