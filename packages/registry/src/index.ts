export * from "./define.ts";
export type { Migration, MigrationOutcome } from "./migration-rules.ts";
export type { DiscoveryQuery, EndedTask, Registered, Registry, RegistrySettings, RouteOutcome } from "./registry.ts";
export { createRegistry } from "./registry.ts";
export type { RoutedTask, RoutingDecision } from "./route.ts";
