// A service that one process at a time runs: two that begin at once, one that leaves, one that dies, and one that loses it and lives on.
import { createMemoryHub } from "@viable/bus";
import type { LeasedMembership } from "@viable/cluster";
import { seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
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
  workers: 1,
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
  const stalled = new Set<number>();
  /** The store as one process reaches it: while that one is stalled, what it writes waits. */
  const storeOf = (seed: number): Store => ({
    ...store,
    commit: async (...batch) => {
      while (stalled.has(seed)) await new Promise<void>((resolve) => void time.setTimer(resolve, 50));
      return await store.commit(...batch);
    },
  });
  const start = (seed: number) => startTestSystem(definition, { seed, store: storeOf(seed), time, hub });
  const all = [await start(1), await start(2)] as const;
  await time.advance(1_000);
  return { all, time, stalled };
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

/** Kills a part of its swarm until that has given up, which leaves the process running. */
async function crash({ system, time }: TestSystem): Promise<void> {
  const swarm = system.swarms.get("plotter");
  for (let kills = 0; kills < 50 && system.swarms.get("plotter") === swarm; kills++) {
    if (swarm?.status().parts.find(({ id }) => id === "health-monitor")?.state === "running")
      swarm.kill("health-monitor", "a test does so");
    await time.advance(150);
  }
  expect(system.swarms.get("plotter")).toBeUndefined();
}

/** Has it renew its lease so late that it gives the service up, and still in time to keep its epoch. */
async function stall({ system, time }: TestSystem, stalled: Set<number>, seed: number): Promise<void> {
  const { membership } = system as unknown as { membership: LeasedMembership };
  stalled.add(seed);
  await time.until(() => membership.leaseEndsMs - time.monotonicMs() <= membership.leaseMs / 10);
  stalled.delete(seed);
}

test.each(["stall", "crash"] as const)(
  "what was begun, queued or on its way where it ran is done where it runs now, though that process lives on: %s",
  async (how) => {
    const { all, time, stalled } = await startTwo();
    const [holder, other] = (runsHere(all[0]) ? all : [all[1], all[0]]) as [TestSystem, TestSystem];
    const client = await other.connect();
    const ids: string[] = [];
    for (const ms of [20_000, 1, 1]) ids.push(await client.begin("draw", { ms }, { deadlineMs: 280_000 }));
    await time.advance(1_500);
    const { epoch } = holder.system.membership;
    if (how === "stall") await stall(holder, stalled, all.indexOf(holder) + 1);
    else await crash(holder);
    await time.advance(60_000);
    expect(holder.system.membership).toMatchObject({ epoch, canClaim: true });
    expect(all.filter(runsHere)).toEqual([other]);
    // Given back, so the attempt that was cut off does not count.
    for (const id of ids) expect((await other.settled(client.api.execution(id))).result).toBe(1);
    for (const each of all) await each.stop();
  },
);

test("what it could not give back is taken from it as well, and counts as begun again", async () => {
  const { all, time } = await startTwo();
  const [holder, other] = (runsHere(all[0]) ? all : [all[1], all[0]]) as [TestSystem, TestSystem];
  const client = await other.connect();
  const id = await client.begin("draw", { ms: 20_000 }, { deadlineMs: 280_000 });
  await time.advance(1_500);
  const { log } = holder.system;
  const append = log.append;
  Object.assign(log, {
    append: async (...[ctx, request]: Parameters<typeof append>) => {
      if (request.streams?.some(({ events }) => events.some(({ type }) => type === "execution.released")))
        throw new ViableError("test.refused", "A test refuses it.");
      return await append.call(log, ctx, request);
    },
  });
  await crash(holder);
  await time.advance(60_000);
  expect(await other.settled(client.api.execution(id))).toMatchObject({ status: "completed", result: 2 });
  for (const each of all) await each.stop();
});

test("what was accepted as its swarm ended here is given back, and the other has it at once", async () => {
  const { all, time } = await startTwo();
  const [holder, other] = (runsHere(all[0]) ? all : [all[1], all[0]]) as [TestSystem, TestSystem];
  const client = await holder.connect();
  const { log } = holder.system;
  const append = log.append;
  const gate = Promise.withResolvers<void>();
  Object.assign(log, {
    append: async (...[ctx, request]: Parameters<typeof append>) => {
      if (request.streams?.some(({ events }) => events.some(({ type }) => type === "execution.accepted")))
        await gate.promise;
      return await append.call(log, ctx, request);
    },
  });
  const sent = client.api.send(client.sessionId, { command: "draw", args: {}, mode: "async", deadlineMs: 280_000 });
  await time.advance(100);
  await crash(holder);
  gate.resolve();
  const { executionId } = await holder.settled(sent);
  await time.advance(10_000);
  expect(await holder.settled(client.api.execution(executionId))).toMatchObject({ status: "completed", result: 1 });
  expect(await other.events("execution.released")).toMatchObject([{ data: { reason: "its swarm has ended" } }]);
  for (const each of all) await each.stop();
});

test("what a worker held that dies where there is no queen is given back, not forgotten", async () => {
  await using t = await startTestSystem(definition);
  await t.time.advance(100);
  const client = await t.connect();
  const id = await client.begin("draw", { ms: 1_000 });
  await t.time.advance(100);
  t.system.swarms.get("plotter")?.kill("queen", "a test does so");
  t.system.swarms.get("plotter")?.kill("worker-1", "a test does so");
  expect(await client.outcome(id)).toMatchObject({ status: "completed", result: 1 });
  expect(await t.events("execution.released")).toHaveLength(1);
});

test("alone, on a database that nobody else opens, it runs as any other", async () => {
  await using t = await startTestSystem(definition);
  await t.time.advance(100);
  expect(await (await t.connect()).run("draw")).toMatchObject({ status: "completed", result: 1 });
});
