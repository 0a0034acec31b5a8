/**
 * The smallest useful part of the reference system, as the design it follows writes it down: AI, Storage and Business on their
 * ports behind a registry on 4100, each found by the names of what it can do.
 */
import { defineSystem } from "viable";
import { expect, test } from "vitest";
import { ai } from "./services/ai/index.ts";
import { architecture } from "./services/architecture/index.ts";
import { business } from "./services/business/index.ts";
import { hex } from "./services/hex/index.ts";
import { storage } from "./services/storage/index.ts";
import { startServices } from "./testing/start-services.ts";

/** What each is to be found by, and where. */
const declared = {
  ai: { port: 4000, capabilities: ["llm_routing", "model_management", "response_optimization"] },
  storage: { port: 4104, capabilities: ["data_persistence", "file_management", "backup"] },
  business: { port: 4002, capabilities: ["workflow_execution", "decision_making", "compliance"] },
} as const;

test("three services run from one config, and each is found by every name of what it can do", async () => {
  const services = [ai, storage, business];
  expect(defineSystem({ name: "three", services, gateway: { port: 4100 } }).gateway.port).toBe(4100);
  await using running = await startServices(services);
  for (const service of services) {
    const { port, capabilities } = declared[service.name as keyof typeof declared];
    expect(service.port).toBe(port);
    for (const capability of capabilities) {
      const { swarms } = (await running.get(`/registry/discover?capability=${capability}`)) as {
        swarms: { service: string }[];
      };
      expect(
        swarms.map((each) => each.service),
        capability,
      ).toEqual([service.name]);
    }
  }
});

test("on the port that both are said to have, Architecture and the package registry are named", () => {
  expect(() => defineSystem({ name: "clash", services: [architecture, { ...hex, port: architecture.port }] })).toThrow(
    'services.hex.port: port 4001 is given to both "architecture" and "hex".',
  );
});
