export type { Registered, Registry, RegistrySettings, RouteOutcome } from "./registry.ts";
export { createRegistry } from "./registry.ts";
export type { Candidate } from "./route.ts";
export { chooseRoute } from "./route.ts";
