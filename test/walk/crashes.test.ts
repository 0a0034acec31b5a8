/**
 * Crashes of a whole system, beyond what `recovery.test.ts` shows of single ones: parts that crash again and again, tasks that take their
 * process with them each time, and what the others know of a process that is gone. Which promise of OTP's each test stands for is listed in
 * `docs/explanation/crashes.md`.
 */
import { seededRandom } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createMemoryStore } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import type { ExecutionState } from "@viable/swarm";
import { foldExecution } from "@viable/swarm";
import type { TestSystem } from "@viable/testing";
import type { AgentContext, Projection, ServiceDefinition } from "viable";
import { agent, defineSystem, service } from "viable";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { startTestSystem } from "./described-system.ts";

const pause = (ctx: AgentContext, ms: number) =>
  new Promise<void>((resolve, reject) => {
    const timer = ctx.runtime.clock.setTimer(resolve, ms);
    ctx.signal.addEventListener("abort", () => {
      timer.cancel();
      reject(ctx.signal.reason);
    });
  });

const names = ["one", "two"];

const serviceOf = (name: string, supervision: Supervision = "one-for-one") =>
  service({
    name,
    description: "Works for a while.",
    port: 0,
    supervision,
    agents: [
      agent({
        name: "step",
        capability: `${name}.step`,
        description: "Takes a while.",
        maxAttempts: 3,
        input: z.strictObject({ ms: z.number() }),
        handle: async (ctx, { ms }) => {
          await pause(ctx, ms);
          return ctx.attempt;
        },
      }),
    ],
  });
type Supervision = ServiceDefinition["supervision"];

/** Where each task was accepted: in a table of records that is kept from the log. */
const accepted: Projection = {
  name: "accepted",
  version: 1,
  filter: { types: ["execution.accepted"] },
  project: (events, target) => ({
    records: events.map(({ id, metadata, position }) => ({
      key: target.key(metadata.tenant, id),
      value: position,
      expected: 0,
    })),
  }),
};
const look = agent({
  name: "looker",
  capability: "look",
  description: "Looks where a task was accepted, and what is remembered.",
  input: z.strictObject({ id: z.string() }),
  handle: async (ctx, { id }) => ({
    position: (await ctx.projection("accepted").get(id)) ?? null,
    remembered: (await ctx.globalMemory.get("k"))?.value ?? null,
  }),
});
const settings = { name: "crashing", commands: [look], projections: [accepted] };
const system = defineSystem({ ...settings, services: names.map((name) => serviceOf(name)) });

const swarmOf = (t: TestSystem, name: string) => {
  const swarm = t.system.swarms.get(name);
  if (swarm === undefined) throw new Error(`There is no swarm ${name}.`);
  return swarm;
};

const typesOf = async (t: TestSystem, executionId: string) => {
  const events = await t.settled(t.system.log.readStream(t.ctx, `execution:${executionId}`));
  return events.map(({ type }) => type.slice("execution.".length));
};

describe("a part that crashes", () => {
  test.each<[Supervision, string[]]>([
    ["one-for-one", ["workers"]],
    ["rest-for-one", ["workers", "queen", "health-monitor", "meta-client"]],
    ["one-for-all", ["memory", "workers", "queen", "health-monitor", "meta-client"]],
  ])("under %s takes along whom it must, and nobody of another swarm", async (supervision, restarted) => {
    const services = [serviceOf("one", supervision), serviceOf("two")];
    await using t = await startTestSystem(defineSystem({ ...settings, services }));
    const client = await t.connect();
    const executionId = await client.begin("one.step", { ms: 5_000 });
    swarmOf(t, "one").kill("workers", "a test");
    await t.time.until(() => swarmOf(t, "one").status().status !== "healthy", 1_000);
    await t.time.until(() => swarmOf(t, "one").status().status === "healthy", 60_000);
    const restartsOf = (name: string) =>
      swarmOf(t, name)
        .status()
        .parts.flatMap(({ id, restarts }) => (restarts > 0 ? [id] : []));
    expect(restartsOf("one")).toEqual(restarted);
    expect(restartsOf("two")).toEqual([]);
    expect(await client.outcome(executionId)).toMatchObject({ status: "completed" });
  });
});

describe("a part that crashes more often than five times in ten seconds", () => {
  const gaveUp = (t: TestSystem, who: string) =>
    t.notices.filter(({ message }) => message.startsWith(`${who} gave up`)).length;
  /** Kills it whenever it runs, until its swarm has given up so often or the system has. */
  async function killUntilGivenUp(t: TestSystem, part: string, times: number): Promise<void> {
    let hasEnded = false;
    t.system.done.catch(() => {
      hasEnded = true;
    });
    const isRunning = () =>
      swarmOf(t, "one")
        .status()
        .parts.some(({ id, state }) => id === part && state === "running");
    const giveUpAt = t.time.now() + 120_000;
    while (gaveUp(t, "one") < times && !hasEnded && t.time.now() < giveUpAt) {
      if (isRunning()) swarmOf(t, "one").kill(part, "a test");
      await t.time.advance(5);
    }
  }

  test("has its swarm begin anew; what that had under way is done, and its neighbour does not notice", async () => {
    await using t = await startTestSystem(system);
    const client = await t.connect();
    const here = await client.begin("one.step", { ms: 30_000 });
    const there = await client.begin("two.step", { ms: 30_000 });
    await killUntilGivenUp(t, "queen", 1);
    expect(gaveUp(t, "one")).toBe(1);
    await t.time.until(() => swarmOf(t, "one").status().status === "healthy", 60_000);
    expect(
      swarmOf(t, "one")
        .status()
        .parts.map(({ restarts }) => restarts),
    ).toEqual([0, 0, 0, 0, 0]);
    // What it could not end while it stopped it gave back, and that attempt does not count.
    expect(await client.outcome(here)).toMatchObject({ status: "completed", attempts: 1 });
    expect(await typesOf(t, here)).toEqual(["accepted", "released", "claimed", "completed"]);
    expect(await client.outcome(there)).toMatchObject({ status: "completed", attempts: 1 });
    expect(await typesOf(t, there)).toEqual(["accepted", "completed"]);
    expect(gaveUp(t, "two")).toBe(0);
    expect(
      swarmOf(t, "two")
        .status()
        .parts.map(({ restarts }) => restarts),
    ).toEqual([0, 0, 0, 0, 0]);
  });

  test("and whose swarm does, too, ends its process with the reason; the next one does what was left", async () => {
    const store = createMemoryStore();
    const t = await startTestSystem(system, { store });
    const executionId = await (await t.connect()).begin("two.step", { ms: 30_000 });
    await killUntilGivenUp(t, "queen", 7);
    expect(gaveUp(t, "one")).toBe(6);
    await expect(t.system.done).rejects.toMatchObject({ code: "supervisor.intensity_exceeded" });
    await t.stop();
    await using next = await startTestSystem(system, { store, seed: 2 });
    await next.connect();
    const state = await next.settled(next.system.executions.whenSettled(next.ctx, executionId));
    expect(state.status).toBe("completed");
  });
});

test("a task that takes its process with it each time is given up after its attempts, and the next process lives", async () => {
  const store = createMemoryStore();
  let executionId = "";
  // Each is gone without a word while the task is under way: its time stands still from here on.
  for (let life = 1; life <= 3; life++) {
    const t = await startTestSystem(system, { store, seed: life });
    if (life === 1) executionId = await (await t.connect()).begin("one.step", { ms: 60_000 });
    await t.time.until(() => attemptsOf(t, executionId) === life, 60_000);
  }
  await using t = await startTestSystem(system, { store, seed: 4 });
  const client = await t.connect();
  expect(await t.settled(t.system.executions.whenSettled(t.ctx, executionId))).toMatchObject({
    status: "failed",
    attempts: 3,
    error: { code: "swarm.attempts_exhausted" },
  });
  expect(await client.run("one.step", { ms: 10 })).toMatchObject({ status: "completed", result: 1 });
});

const attemptsOf = (t: TestSystem, executionId: string) =>
  [...t.system.executions.open()].find((state) => state.executionId === executionId)?.attempts;

test("what a dead process offered is offered no more, and what it is asked for meanwhile is done by another", async () => {
  const store = { ...createMemoryStore(), exclusive: false };
  const dead = await startTestSystem(system, { store });
  const { processId } = dead.system.membership;
  await using t = await startTestSystem(system, { store, seed: 2 });
  const client = await t.connect();
  await t.time.advance(2_000);
  const offering = () => t.system.registry.discover("one.step").swarms.map((swarm) => swarm.processId);
  expect(offering()).toContain(processId);
  expect(offering()).toHaveLength(2);
  // Its time has stood still all along.
  await t.time.until(() => !offering().includes(processId), 20_000);
  expect(offering()).toEqual([t.system.membership.processId]);
  expect(await client.run("one.step", { ms: 10 })).toMatchObject({ status: "completed" });
});

test("what was remembered, and what is kept from the log, are there after a crash, each event once", async () => {
  const store = createMemoryStore();
  const crashed = await startTestSystem(system, { store });
  const client = await crashed.connect();
  await client.run("memory.set", { key: "k", value: { n: 1 } });
  for (let nr = 0; nr < 5; nr++) await client.run("one.step", { ms: 300 });
  // Of the last nobody can say whether it has been seen: its time stands still from here on.
  await client.begin("one.step", { ms: 300 });
  await using t = await startTestSystem(system, { store, seed: 2 });
  const next = await t.connect();
  const events = await t.events("execution.accepted");
  expect(events).toHaveLength(7);
  // As long as a projection may be behind.
  await t.time.advance(2_000);
  for (const { id, position } of events)
    expect(await next.run("look", { id })).toMatchObject({ result: { position, remembered: { n: 1 } } });
});

describe("what a process holds in memory", () => {
  /** The state of every execution, from nothing but all events that there are. */
  async function foldAll(store: Store): Promise<Map<string, ExecutionState>> {
    const states = new Map<string, ExecutionState>();
    for (const event of await everyEvent(store, { types: ["execution.*"] })) {
      const state = foldExecution(states.get(event.stream), event);
      if (state !== undefined) states.set(event.stream, state);
    }
    return states;
  }
  const isOpen = ({ endedAt }: ExecutionState) => endedAt === undefined;
  const byId = (states: Iterable<ExecutionState>) =>
    [...states].toSorted((a, b) => (a.executionId < b.executionId ? -1 : 1));

  test("is made again from the log by the next, wherever the last one crashed: eight seeds", async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = seededRandom(seed);
      const store = createMemoryStore();
      let t = await startTestSystem(system, { store, seed });
      for (let life = 0; life < 3; life++) {
        const client = await t.connect();
        for (let nr = 0; nr < 4; nr++) {
          const name = names[nr % 2] as string;
          const executionId = await client.begin(`${name}.step`, { ms: Math.ceil(random.next() * 10_000) });
          if (random.next() < 0.2) await t.settled(client.api.cancel(executionId));
          await t.time.advance(random.next() * 2_000);
        }
        // A crash: the last one never moves again.
        t = await startTestSystem(system, { store, seed: seed * 100 + life });
        await t.time.advance(random.next() * 100);
        const states = [...(await foldAll(store)).values()];
        expect(byId(t.system.executions.open()), `seed ${seed}, life ${life}`).toEqual(byId(states.filter(isOpen)));
        for (const state of states)
          expect(await t.settled(t.system.executions.get(t.ctx, state.executionId))).toEqual(state);
      }
      await t.stop();
    }
  }, 60_000);
});
