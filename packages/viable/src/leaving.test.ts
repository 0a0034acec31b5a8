// A process that leaves, while others host the same services: it is asked for nothing more from the first moment, whatever it still has to
// end.
import { createMemoryHub } from "@viable/bus";
import { seededRandom, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import type { Role } from "./hosting.ts";
import type { AgentDefinition } from "./index.ts";
import { agent, defineSystem, service } from "./index.ts";

const sleeping = (name: string, more: readonly AgentDefinition[]) =>
  service({
    name,
    description: "Sleeps.",
    port: 0,
    agents: [
      agent({
        name: "sleeper",
        capability: `${name}.sleep`,
        description: "Sleeps.",
        input: z.strictObject({ ms: z.number() }),
        handle: async (ctx, { ms }) => {
          await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, ms));
          return null;
        },
      }),
      ...more,
    ],
  });

// The last that starts is the first to stop.
const names = ["first", "middle", "last"];
const asking = agent({
  name: "asker",
  capability: "ask",
  description: "Waits a second, and asks the first.",
  input: z.strictObject({}),
  handle: async (ctx) => {
    await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, 1_000));
    return (await ctx.delegate("first.sleep", { ms: 1_000 })).ok;
  },
});
const services = names.map((name) => sleeping(name, name === "last" ? [asking] : []));
const system = defineSystem({ name: "leaving", services });

async function start() {
  const time = simulateTime({ random: seededRandom(3) });
  const store = { ...createMemoryStore(), exclusive: false };
  const hub = createMemoryHub();
  const startAs = (seed: number, role: Role) =>
    startTestSystem(system, {
      seed,
      store,
      time,
      hub,
      hosting: { roles: [role], services: role === "swarm" ? names : [], apart: [] },
    });
  const gateway = await startAs(1, "gateway");
  const leaver = await startAs(2, "swarm");
  const client = await gateway.connect();
  await time.advance(2_000);
  return { time, gateway, leaver, client, join: () => startAs(3, "swarm") };
}

test("who leaves is asked for nothing more within a fifth of a second, whatever its tasks take", async () => {
  const { time, gateway, leaver, client, join } = await start();
  // One of each service, for eight seconds.
  for (const name of names) await client.begin(`${name}.sleep`, { ms: 8_000 });
  await time.advance(1_500);
  const stayer = await join();
  await time.advance(500);
  const offering = () => names.map((name) => gateway.system.registry.discover(`${name}.sleep`).swarms.length);
  expect(offering()).toEqual([2, 2, 2]);
  const left = leaver.stop();
  await time.advance(200);
  expect(offering()).toEqual([1, 1, 1]);
  await gateway.settled(left);
  await stayer.stop();
  await gateway.stop();
});

test("what a leaving process has begun still has it do more", async () => {
  const { time, gateway, leaver, client } = await start();
  const asked = await client.begin("ask");
  await time.advance(500);
  const left = leaver.stop();
  await gateway.settled(left);
  expect(await client.outcome(asked)).toMatchObject({ status: "completed", result: true, attempts: 1 });
  await gateway.stop();
});
