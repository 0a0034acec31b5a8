// The bus between machines keeps the contract of every bus: on one server, and on a cluster of three where each bus is at another node.

import type { Bus } from "@viable/bus";
import { busContract } from "@viable/bus/testing";
import { afterAll, beforeAll, describe } from "vitest";
import { createNatsBus } from "./nats-bus.ts";
import type { NatsServers } from "./testing/index.ts";
import { startNats } from "./testing/index.ts";
import type { NatsProxy } from "./testing/start-proxy.ts";
import { startProxy } from "./testing/start-proxy.ts";

describe.each([1, 3])("on a cluster of %i", (nodes) => {
  let servers: NatsServers;
  let proxies: NatsProxy[];
  let worlds = 0;
  beforeAll(async () => {
    servers = await startNats({ nodes, advertise: false });
    // As many as one test has buses, and one more. Whoever is killed knows no other way.
    proxies = await Promise.all(Array.from({ length: 4 }, (_, nr) => startProxy(servers.urls[nr % nodes] as string)));
  });
  afterAll(async () => {
    for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
    await servers[Symbol.asyncDispose]();
  });

  busContract(`NATS, ${nodes} nodes`, async () => {
    // Others may use the same servers.
    const prefix = `contract-${process.pid}-${nodes}-${worlds++}`;
    const ways = new Map<Bus, NatsProxy>();
    for (const proxy of proxies) proxy.mend();
    return {
      connect(runtime) {
        const way = proxies[ways.size % proxies.length] as NatsProxy;
        const bus = createNatsBus(runtime, { servers: [way.url], prefix });
        ways.set(bus, way);
        return bus;
      },
      kill: async (bus) => ways.get(bus)?.cut(),
      close: async () => {},
    };
  });
});
