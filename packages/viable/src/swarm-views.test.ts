// What the gateway shows of swarms where several processes run a system: those of all, how old that is, and what they were.
import { createClient } from "@viable/client";
import { seededRandom, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, service } from "./index.ts";

const named = (name: string) =>
  service({
    name,
    description: "Works.",
    port: 0,
    agents: [
      agent({
        name: "worker",
        capability: `${name}.work`,
        description: "Works.",
        input: z.strictObject({}),
        handle: () => "done",
      }),
    ],
  });
const system = defineSystem({ name: "seen", services: [named("beds"), named("food")] });

/** A gateway of its own and two processes with swarms, of which both have beds. */
async function start() {
  const time = simulateTime({ random: seededRandom(5) });
  const store = { ...createMemoryStore(), exclusive: false };
  const begin = (seed: number, services: string[], roles: ("gateway" | "swarm")[] = ["gateway", "swarm"]) =>
    startTestSystem(system, { seed, store, time, hosting: { roles, services, apart: [] } });
  const gateway = await begin(1, [], ["gateway"]);
  const one = await begin(2, ["beds", "food"]);
  const two = await begin(3, ["beds"]);
  await time.advance(2_000);
  const client = (of: TestSystem) =>
    createClient({
      url: "http://test.invalid",
      token: of.system.ownerToken,
      clock: time,
      fetch: (async (url: string, init?: RequestInit) => await of.system.fetch(new Request(url, init))) as typeof fetch,
    });
  return { time, gateway, one, two, client };
}

test("a gateway without swarms shows those of all processes, each with its process and its age", async () => {
  const { gateway, one, two, client } = await start();
  const { swarms } = await gateway.settled(client(gateway).swarms());
  const shown = swarms.map(({ service, processId }) => `${service} ${processId}`);
  const ids = [one, two].map((each) => each.system.membership.processId);
  const expected = [...ids.flatMap((id) => [`beds ${id}`, `system ${id}`]), `food ${ids[0]}`];
  expect(shown).toEqual(expected.sort());
  for (const { ageMs } of swarms) expect(ageMs).toBeLessThanOrEqual(2_000);
  const beds = await gateway.settled(client(gateway).swarm("beds"));
  expect(beds.processes?.map(({ processId }) => processId)).toEqual([...ids].sort());
  expect(ids).toContain(beds.processId);
  // Of several, its own is the first, and as it is now.
  expect(await two.settled(client(two).swarm("beds"))).toMatchObject({ processId: ids[1], ageMs: 0 });
  await expect(gateway.settled(client(gateway).swarm("nowhere"))).rejects.toMatchObject({ code: "gateway.not_found" });
  for (const each of [two, one, gateway]) await each.stop();
});

test("what swarms were is told page by page to whoever operates the system, and to no session", async () => {
  const { time, gateway, one, two, client } = await start();
  await time.advance(60_000);
  one.system.swarms.get("beds")?.kill("queen", "a test");
  await time.advance(60_000);
  const history = await gateway.settled(client(gateway).swarmHistory("beds", { limit: 5 }));
  expect(history.processes.map(({ samples }) => samples.length)).toEqual([5, 5]);
  // What a supervisor mends within five seconds is no fact.
  expect(history.changes).toEqual([]);
  await two.stop();
  await time.advance(2_000);
  expect((await gateway.settled(client(gateway).swarm("beds"))).processes).toHaveLength(1);
  const { api } = await gateway.connect("web");
  expect((await gateway.settled(api.swarms())).swarms).toHaveLength(3);
  await expect(gateway.settled(api.swarmHistory("beds"))).rejects.toMatchObject({ problem: { status: 403 } });
  await expect(gateway.settled(client(gateway).swarmHistory("beds", { from: 0 }))).rejects.toMatchObject({
    code: "registry.invalid_query",
  });
  for (const each of [one, gateway]) await each.stop();
});
