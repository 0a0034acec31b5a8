// What a system listens on: real sockets on free ports.
import { networkInterfaces } from "node:os";
import { createRuntime, rootContext } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import { agent, service } from "@viable/swarm";
import { expect, test } from "vitest";
import { z } from "zod";
import { createSystem } from "./create-system.ts";
import { defineSystem } from "./define-system.ts";

const nothing = agent({
  name: "nothing",
  capability: "nothing",
  description: "Does nothing.",
  input: z.strictObject({}),
  handle: () => null,
});
const definition = defineSystem({
  name: "open",
  services: [service({ name: "quiet", description: "Waits.", port: 0, agents: [nothing] })],
});

/** An address of this machine that is not the one that loopback connections come to. */
const otherAddress =
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === "IPv4")?.address ?? "127.0.0.2";

test("a gateway on every address opens no service to other machines: services answer on loopback alone", async () => {
  const ctx = rootContext(createRuntime());
  const system = createSystem(
    definition,
    { store: createMemoryStore() },
    { gateway: { host: "0.0.0.0", port: 0 }, servicePorts: "any" },
  );
  await system.start(ctx);
  try {
    const fromOutside = (url: string) => fetch(url.replace(/\/\/[^:]+:/, `//${otherAddress}:`));
    expect((await fromOutside(`${system.gatewayUrl}/ready`)).status).toBe(200);
    const { healthUrl = "", metricsUrl = "" } = system.swarms.get("quiet")?.status() ?? {};
    for (const url of [healthUrl, metricsUrl]) {
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:/);
      expect((await fetch(url)).status).toBe(200);
      await expect(fromOutside(url)).rejects.toThrow();
    }
  } finally {
    await system.stop(ctx);
  }
});
