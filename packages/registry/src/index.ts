export type { Candidate } from "./candidate.ts";
export type { Registered, Registry, RegistrySettings, RouteOutcome } from "./registry.ts";
export { createRegistry } from "./registry.ts";
export { chooseRoute } from "./route.ts";
