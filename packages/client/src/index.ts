export type {
  Client,
  ClientSettings,
  CloudEventPage,
  DiscoverQuery,
  EventsQuery,
  RunsQuery,
  WatchOptions,
} from "./client.ts";
export { createClient } from "./client.ts";
export { GatewayProblem } from "./errors.ts";
