export type { Registered, Registry, RegistrySettings, RouteOutcome } from "./registry.ts";
export { createRegistry } from "./registry.ts";
