// A task that no message of the bus holds is accepted where it was asked for, and claimed with that for the process that it is for: one append
// less, and one word. What that one does not do any more goes to whoever runs the service, at once.
import { createMemoryHub, maxMessageChars } from "@viable/bus";
import { seededRandom, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import type { Role } from "./hosting.ts";
import type { AgentDefinition } from "./index.ts";
import { agent, defineSystem, service } from "./index.ts";

/** Larger than the bus carries. */
const note = "x".repeat(maxMessageChars);

const sleeper = (capability: string, maxAttempts: number) =>
  agent({
    name: capability.replace(".", "-"),
    capability,
    description: "Sleeps.",
    input: z.strictObject({ ms: z.number(), note: z.string() }),
    maxAttempts,
    handle: async (ctx, { ms }) => {
      await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, ms));
      return null;
    },
  });
const release = (agents: readonly AgentDefinition[]) =>
  defineSystem({
    name: "assigning",
    services: [
      service({
        name: "work",
        description: "Sleeps, one task at a time.",
        port: 0,
        workers: 1,
        maxQueued: 2,
        agents,
      }),
    ],
  });
const system = release([sleeper("work.sleep", 3), sleeper("work.once", 1)]);
/** Knows nothing of the one that is newer. */
const earlier = release([sleeper("work.once", 1)]);

async function start() {
  const time = simulateTime({ random: seededRandom(5) });
  const store = { ...createMemoryStore(), exclusive: false };
  const hub = createMemoryHub();
  const startAs = (seed: number, role: Role, definition = system) =>
    startTestSystem(definition, {
      seed,
      store,
      time,
      hub,
      hosting: { roles: [role], services: role === "swarm" ? ["work"] : [], apart: [] },
    });
  const gateway = await startAs(1, "gateway");
  const worker = await startAs(2, "swarm");
  const client = await gateway.connect();
  await time.advance(2_000);
  const historyOf = async (executionId: string) => {
    const events = await gateway.settled(gateway.system.log.readStream(gateway.ctx, `execution:${executionId}`));
    return events.map(({ type, data }) => ({ type: type.slice("execution.".length), data }));
  };
  /** One is under way for as long as a stop takes, the other waits behind it. */
  const beginBehindAnother = async () => {
    await client.begin("work.sleep", { ms: 8_000, note });
    const executionId = await client.begin("work.sleep", { ms: 100, note });
    await time.advance(500);
    return executionId;
  };
  return {
    time,
    gateway,
    worker,
    client,
    historyOf,
    beginBehindAnother,
    join: (seed = 3, definition = system) => startAs(seed, "swarm", definition),
  };
}

test("a task for another process is begun there without an append of its own", async () => {
  const { gateway, worker, client, historyOf } = await start();
  const { executionId } = await client.run("work.sleep", { ms: 100, note });
  const { processId, epoch } = worker.system.membership;
  expect(await historyOf(executionId)).toMatchObject([
    { type: "accepted", data: { assigned: { processId, epoch, attempt: 1 } } },
    { type: "completed" },
  ]);
  for (const each of [worker, gateway]) await each.stop();
});

test("what may be begun only once is claimed by whoever begins it, since that may be gone unheard of", async () => {
  const { gateway, worker, client, historyOf } = await start();
  const { executionId } = await client.run("work.once", { ms: 100, note });
  const history = await historyOf(executionId);
  expect(history.map(({ type }) => type)).toEqual(["accepted", "claimed", "completed"]);
  expect(history[0]?.data).not.toHaveProperty("assigned");
  for (const each of [worker, gateway]) await each.stop();
});

test("what finds the queue full is given back, counts as no attempt, and is done when there is room", async () => {
  const { gateway, worker, client, historyOf } = await start();
  const begun = await Promise.all([1, 2, 3, 4, 5].map(() => client.begin("work.sleep", { ms: 300, note })));
  const outcomes = await Promise.all(begun.map((each) => client.outcome(each)));
  expect(outcomes.map(({ status, attempts }) => ({ status, attempts }))).toEqual(
    begun.map(() => ({ status: "completed", attempts: 1 })),
  );
  const histories = await Promise.all(outcomes.map(({ executionId }) => historyOf(executionId)));
  const released = histories.flat().filter(({ type }) => type === "released");
  expect(released.length).toBeGreaterThan(0);
  // Its own process does it, as soon as it can: nobody else need try.
  for (const { data } of released) expect(data).not.toHaveProperty("leaves");
  for (const each of [worker, gateway]) await each.stop();
});

test("what a process that stops has not begun is done by another at once, not when it is gone", async () => {
  const { time, gateway, worker, historyOf, beginBehindAnother, join } = await start();
  const executionId = await beginBehindAnother();
  const other = await join();
  await time.advance(500);
  const left = worker.stop();
  await time.advance(400);
  expect(await historyOf(executionId)).toMatchObject([
    { type: "accepted", data: { assigned: { processId: worker.system.membership.processId } } },
    { type: "released", data: { leaves: true } },
    { type: "claimed", data: { processId: other.system.membership.processId, attempt: 1 } },
    { type: "completed" },
  ]);
  await gateway.settled(left);
  for (const each of [other, gateway]) await each.stop();
});

test("where everybody else is full, what was given back waits, and is not claimed to be given back again", async () => {
  const { time, gateway, worker, client, historyOf, beginBehindAnother, join } = await start();
  const executionId = await beginBehindAnother();
  const other = await join();
  await time.advance(500);
  // One under way, and two that wait, in the other.
  const { processId } = other.system.membership;
  for (let nr = 0; nr < 3; nr++) await client.begin("work.sleep", { ms: 3_000, note });
  await time.advance(500);
  const left = worker.stop();
  await time.advance(2_000);
  expect((await historyOf(executionId)).length).toBeLessThan(10);
  expect(await client.outcome(executionId)).toMatchObject({ status: "completed" });
  const claims = (await historyOf(executionId)).filter(({ type }) => type === "claimed");
  expect(claims.at(-1)?.data).toMatchObject({ processId });
  await gateway.settled(left);
  for (const each of [other, gateway]) await each.stop();
});

test("who runs the service, and does not know the capability, leaves it to others", async () => {
  const { time, gateway, worker, client, historyOf, beginBehindAnother, join } = await start();
  const executionId = await beginBehindAnother();
  const older = await join(3, earlier);
  await time.advance(500);
  const left = worker.stop();
  await time.advance(400);
  const history = await historyOf(executionId);
  expect(history.map(({ type }) => type)).toEqual(["accepted", "released"]);
  const newer = await join(4);
  await time.advance(2_000);
  expect(await client.outcome(executionId)).toMatchObject({ status: "completed" });
  await gateway.settled(left);
  for (const each of [older, newer, gateway]) await each.stop();
});
