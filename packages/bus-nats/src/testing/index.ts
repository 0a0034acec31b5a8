export type { NatsNode, NatsServers, StartNatsOptions } from "./start-nats.ts";
export { startNats } from "./start-nats.ts";
