// A service that one process at a time runs: two that begin at once, one that leaves, and one that dies.
import { createMemoryHub } from "@viable/bus";
import { seededRandom, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, service } from "./index.ts";

const plotter = service({
  name: "plotter",
  description: "Draws, one at a time.",
  port: 0,
  singleton: true,
  agents: [
    agent({
      name: "drawer",
      capability: "draw",
      description: "Draws for so long.",
      input: z.strictObject({ ms: z.number().default(0) }),
      handle: async (ctx, { ms }) => {
        await new Promise<void>((resolve, reject) => {
          ctx.runtime.clock.setTimer(resolve, ms);
          ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason));
        });
        return ctx.attempt;
      },
    }),
  ],
});
const definition = defineSystem({ name: "s", services: [plotter], limits: { drainMs: 2_000 } });

async function startTwo() {
  const time = simulateTime({ random: seededRandom(2) });
  const store = { ...createMemoryStore(), exclusive: false };
  const hub = createMemoryHub();
  const start = (seed: number) => startTestSystem(definition, { seed, store, time, hub });
  const all = [await start(1), await start(2)] as const;
  await time.advance(1_000);
  return { all, time, start };
}
const runsHere = ({ system }: TestSystem) => system.swarms.has("plotter");
const stateIn = async (t: TestSystem) =>
  (await t.settled(t.system.health())).checks.find(({ name }) => name === "singleton plotter");

test("one of two has it, the other says for whom it waits, and both take commands for it", async () => {
  const { all } = await startTwo();
  const holders = all.filter(runsHere);
  expect(holders).toHaveLength(1);
  const [holder, other] = (runsHere(all[0]) ? all : [all[1], all[0]]) as [TestSystem, TestSystem];
  expect(await stateIn(holder)).toMatchObject({ status: "ok", detail: "running: It runs here." });
  expect(await stateIn(other)).toMatchObject({
    status: "ok",
    detail: `waiting: Process ${holder.system.membership.processId} has it, and is not gone.`,
  });
  for (const each of all) expect(await (await each.connect()).run("draw")).toMatchObject({ result: 1 });
  for (const each of all) await each.stop();
});

test("who leaves ends what it holds, and the other has it at once", async () => {
  const { all, time } = await startTwo();
  const [holder, other] = (runsHere(all[0]) ? all : [all[1], all[0]]) as [TestSystem, TestSystem];
  const client = await other.connect();
  const id = await client.begin("draw", { ms: 1_000 });
  await time.advance(100);
  await holder.stop();
  await time.advance(200);
  expect(runsHere(other)).toBe(true);
  expect(await client.outcome(id)).toMatchObject({ status: "completed", result: 1 });
  expect(await client.run("draw")).toMatchObject({ result: 1 });
  await other.stop();
});

test("what the one holds that is held for gone is begun again by the other, and what that one says does not count", async () => {
  const { all, time } = await startTwo();
  const [holder, other] = (runsHere(all[0]) ? all : [all[1], all[0]]) as [TestSystem, TestSystem];
  const client = await other.connect();
  const id = await client.begin("draw", { ms: 15_000 });
  await time.advance(100);
  const { key, version } = (
    await other.settled(other.system.log.listRecords(other.ctx, "cluster/process/"))
  ).records.find((record) => record.key.endsWith(holder.system.membership.processId)) as {
    key: string;
    version: number;
  };
  // As whoever finds it gone: its next renewal is refused.
  await other.settled(other.system.log.append(other.ctx, { records: [{ key, value: null, expected: version }] }));
  await time.advance(12_000);
  expect(all.filter(runsHere)).toHaveLength(1);
  expect(await client.outcome(id)).toMatchObject({ status: "completed" });
  expect((await other.events("execution.completed")).filter(({ stream }) => stream === `execution:${id}`)).toHaveLength(
    1,
  );
  for (const each of all) await each.stop();
});

test("alone, on a database that nobody else opens, it runs as any other", async () => {
  await using t = await startTestSystem(definition);
  await t.time.advance(100);
  expect(await (await t.connect()).run("draw")).toMatchObject({ status: "completed", result: 1 });
});
