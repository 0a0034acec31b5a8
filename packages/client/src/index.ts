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
export type { GatewaySocket, SocketSettings, SocketWatchOptions } from "./open-socket.ts";
export { openSocket } from "./open-socket.ts";
