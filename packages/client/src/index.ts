export type { Client, ClientSettings, WatchOptions } from "./client.ts";
export { createClient } from "./client.ts";
export { GatewayProblem } from "./errors.ts";
