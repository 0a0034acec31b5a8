// What is done to a swarm is done where it runs: in each process, or in the one that is named, and recorded as any command.
import { createMemoryHub } from "@viable/bus";
import type { JsonObject } from "@viable/kernel";
import { seededRandom, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { readHosting } from "./hosting.ts";
import { agent, defineSystem, service } from "./index.ts";

const definition = defineSystem({
  name: "s",
  services: [
    service({
      name: "work",
      description: "Works.",
      port: 0,
      agents: [
        agent({
          name: "worker",
          capability: "work",
          description: "Works for so long.",
          input: z.strictObject({ ms: z.number().default(0) }),
          handle: async (ctx, { ms }) => {
            await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, ms));
            return "done";
          },
        }),
      ],
    }),
  ],
});

async function startThree() {
  const time = simulateTime({ random: seededRandom(4) });
  const store = { ...createMemoryStore(), exclusive: false };
  const hub = createMemoryHub();
  const start = (seed: number, roles: string) =>
    startTestSystem(definition, {
      seed,
      store,
      time,
      hub,
      hosting: readHosting(definition, { roles }, { only: "--only", roles: "--roles" }),
    });
  const [gateway, one, two] = [await start(1, "gateway"), await start(2, "swarm"), await start(3, "swarm")];
  await time.advance(6_000);
  const client = await gateway.connect();
  const run = async (command: string, args: JsonObject) => {
    const answer = await client.run(command, args);
    if (answer.status !== "completed") return answer;
    return (answer.result as { swarms: JsonObject[] }).swarms.map(({ service: _, ...rest }) => rest);
  };
  const stop = async () => {
    for (const each of [one, two, gateway]) await each.stop();
  };
  return { client, run, one, two, time, stop };
}
const idOf = ({ system }: TestSystem) => system.membership.processId;
const workersIn = ({ system }: TestSystem) => system.swarms.get("work")?.measure().workers;
const byProcess = (a: JsonObject, b: JsonObject) => (String(a.processId) < String(b.processId) ? -1 : 1);

test("scaling does so in each process that runs it, asked of one that runs none", async () => {
  const { run, one, two, stop } = await startThree();
  expect(await run("swarm.scale", { service: "work", workers: 5 })).toEqual(
    [one, two].map((each) => ({ processId: idOf(each), before: 3, workers: 5 })).sort(byProcess),
  );
  expect([one, two].map(workersIn)).toEqual([5, 5]);
  expect(await run("swarm.scale", { service: "work", workers: 1, process: idOf(two) })).toEqual([
    { processId: idOf(two), before: 5, workers: 1 },
  ]);
  expect([one, two].map(workersIn)).toEqual([5, 1]);
  await stop();
});

test("one that is drained ends what it holds and is asked for nothing more, until it is undone", async () => {
  const { client, run, one, two, time, stop } = await startThree();
  const held = await Promise.all([client.begin("work", { ms: 5_000 }), client.begin("work", { ms: 5_000 })]);
  await time.advance(100);
  await run("swarm.drain", { service: "work", process: idOf(one) });
  await time.advance(1_000);
  const measured = () => one.system.swarms.get("work")?.measure().completed ?? 0;
  for (const id of held) expect(await client.outcome(id)).toMatchObject({ status: "completed" });
  const before = measured();
  for (let task = 0; task < 6; task++) expect(await client.run("work")).toMatchObject({ result: "done" });
  expect(measured()).toBe(before);
  expect(one.system.swarms.get("work")?.status()).toMatchObject({
    status: "degraded",
    reasons: ["drained: it is asked for nothing more"],
  });
  await run("swarm.drain", { service: "work", process: idOf(one), undo: true });
  await run("swarm.drain", { service: "work", process: idOf(two) });
  await time.advance(1_000);
  expect(await client.run("work")).toMatchObject({ result: "done" });
  expect(measured()).toBe(before + 1);
  await stop();
});

test.each([
  [{ service: "wrok" }, 'No swarm "wrok" runs anywhere.'],
  [{ service: "work", process: "prc_none" }, 'No swarm "work" runs in prc_none.'],
])("what runs nowhere is told so: %j", async (target, message) => {
  const { client, stop } = await startThree();
  expect(await client.run("swarm.drain", target)).toMatchObject({
    status: "failed",
    error: { code: "swarm.unknown_service", message },
  });
  await stop();
});

test("the built-in swarm is not drained: it is what takes the undo", async () => {
  const { client, stop } = await startThree();
  expect(await client.run("swarm.drain", { service: "system" })).toMatchObject({
    status: "failed",
    error: { code: "swarm.not_drained" },
  });
  expect(await client.run("swarm.drain", { service: "work" })).toMatchObject({ status: "completed" });
  await stop();
});
