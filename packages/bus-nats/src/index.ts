export type { NatsTls } from "./credentials.ts";
export type { NatsBusOptions } from "./nats-bus.ts";
export { createNatsBus } from "./nats-bus.ts";
