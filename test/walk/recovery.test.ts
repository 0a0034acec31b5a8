/**
 * What happens when parts, and whole processes, die under a command: the supervisor restarts them, work is taken up again
 * from the log, what was recorded is not computed again, and nothing has two outcomes (W5).
 */

import { seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createMemoryStore, storeUnavailable } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import type { AgentContext } from "viable";
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

const twoServices = (calls: string[], stepMs?: number) => defineSystem(settingsOf(calls, stepMs));

/** Two services; `calls` is the effect ledger: it lies outside the system and outlives its processes. */
function settingsOf(calls: string[], stepMs = 1_000) {
  const work = (name: string) =>
    service({
      name,
      description: "Works for a while.",
      port: 0,
      agents: [
        agent({
          name: "step",
          capability: `${name}.step`,
          description: "Takes a while.",
          maxAttempts: 3,
          input: z.strictObject({ label: z.string() }),
          handle: async (ctx, { label }) => {
            calls.push(`${label} begun, attempt ${ctx.attempt}`);
            await pause(ctx, stepMs);
            calls.push(`${label} done`);
            return label;
          },
        }),
      ],
    });
  const chain = agent({
    name: "chain",
    capability: "chain",
    description: "Has two services do a step each, one after the other.",
    timeoutMs: 600_000,
    input: z.strictObject({}),
    handle: async (ctx) => {
      const first = await ctx.delegate("one.step", { label: "first" });
      const second = await ctx.delegate("two.step", { label: "second" });
      return [first, second].map((outcome) => (outcome.ok ? outcome.result : outcome.error.code));
    },
  });
  return { name: "recovery", services: [work("one"), work("two")], commands: [chain] };
}

const typesOf = async (store: Store) =>
  (await everyEvent(store, { types: ["execution.*"] })).map((event) => event.type);

describe("a part that dies", () => {
  test("a killed worker's task is taken up by a sibling; the others go on", async () => {
    const calls: string[] = [];
    await using t = await startTestSystem(twoServices(calls));
    const client = await t.connect();
    const executionId = await client.begin("one.step", { label: "a" });
    await t.time.advance(500);
    t.system.swarms.get("one")?.kill("worker-1", "a test");
    await t.time.advance(100);
    expect(await client.run("two.step", { label: "b" })).toMatchObject({ result: "b" });
    expect(await client.outcome(executionId)).toMatchObject({ status: "completed", result: "a", attempts: 2 });
    expect(calls).toEqual(["a begun, attempt 1", "a begun, attempt 2", "b begun, attempt 1", "a done", "b done"]);
    expect(
      t.system.swarms
        .get("one")
        ?.status()
        .workers.map((worker) => worker.state),
    ).toEqual(["running", "running", "running"]);
  });

  test.each(["queen", "workers", "memory", "health-monitor", "meta-client"])(
    "a killed %s is restarted, and what was under way is finished",
    async (part) => {
      const calls: string[] = [];
      await using t = await startTestSystem(twoServices(calls));
      const client = await t.connect();
      const executionId = await client.begin("chain");
      await t.time.advance(500);
      t.system.swarms.get("one")?.kill(part, "a test");
      expect(await client.outcome(executionId)).toMatchObject({ status: "completed", result: ["first", "second"] });
      await t.time.advance(2_000);
      expect(t.system.swarms.get("one")?.status()).toMatchObject({ status: "healthy", reasons: [] });
      expect(
        t.system.swarms
          .get("two")
          ?.status()
          .parts.every((each) => each.restarts === 0),
      ).toBe(true);
      expect(calls.filter((call) => call.endsWith("done"))).toEqual(["first done", "second done"]);
    },
  );

  test("a worker that dies each time has its task failed after the attempts it is given", async () => {
    const calls: string[] = [];
    await using t = await startTestSystem(twoServices(calls));
    const client = await t.connect();
    const executionId = await client.begin("one.step", { label: "poison" });
    for (let attempt = 1; attempt <= 3; attempt++) {
      await t.time.advance(200);
      for (const worker of ["worker-1", "worker-2", "worker-3"]) t.system.swarms.get("one")?.kill(worker, "a test");
      await t.time.advance(200);
    }
    expect(await client.outcome(executionId)).toMatchObject({
      status: "failed",
      error: { code: "swarm.attempts_exhausted" },
    });
    expect(calls.filter((call) => call.includes("begun"))).toHaveLength(3);
  });
});

describe("a process that dies", () => {
  test("its executions go on in the next process; what was recorded is not computed again", async () => {
    const calls: string[] = [];
    const store = createMemoryStore();
    const first = await startTestSystem(twoServices(calls), { store });
    const executionId = await (await first.connect()).begin("chain");
    await first.time.advance(1_500);
    // The process is gone without a word: its time stands still from here on.
    expect(calls).toEqual(["first begun, attempt 1", "first done", "second begun, attempt 1"]);

    await using next = await startTestSystem(twoServices(calls), { store, seed: 2 });
    const client = await next.connect();
    await next.settled(next.system.executions.whenSettled(next.ctx, executionId));
    expect(await next.system.executions.get(next.ctx, executionId)).toMatchObject({
      status: "completed",
      result: ["first", "second"],
    });
    expect(client).toBeDefined();
    expect(calls).toEqual([
      "first begun, attempt 1",
      "first done",
      "second begun, attempt 1",
      "second begun, attempt 2",
      "second done",
    ]);
  });

  test("who was held for gone stops what another has claimed, as soon as it hears of that", async () => {
    const begun: number[] = [];
    const ends: string[] = [];
    const store = { ...createMemoryStore(), exclusive: false };
    const definition = defineSystem({
      name: "recovery",
      services: [],
      commands: [
        agent({
          name: "long",
          capability: "long",
          description: "Takes a minute.",
          timeoutMs: 600_000,
          maxAttempts: 3,
          input: z.strictObject({}),
          handle: async (ctx) => {
            begun.push(ctx.attempt);
            const end = await pause(ctx, 60_000).then(
              () => "done",
              (error: ViableError) => error.code,
            );
            ends.push(`attempt ${ctx.attempt}: ${end}`);
            return end;
          },
        }),
      ],
    });
    const zombie = await startTestSystem(definition, { store });
    const executionId = await (await zombie.connect()).begin("long");
    await zombie.time.advance(500);
    await using next = await startTestSystem(definition, { store, seed: 2 });
    await next.time.until(() => begun.length === 2, 60_000);
    await zombie.time.advance(2_000);
    expect(ends).toEqual(["attempt 1: execution.taken_over"]);
    await next.settled(next.system.executions.whenSettled(next.ctx, executionId));
    expect(ends.at(-1)).toBe("attempt 2: done");
  });

  test.each([
    [{}, 4_000],
    [{ leaseMs: 10_000 }, 10_000],
  ])("its work is taken over within a second after its lease: %j", async (limits, leaseMs) => {
    const calls: string[] = [];
    const store = { ...createMemoryStore(), exclusive: false };
    const definition = defineSystem({ ...settingsOf(calls), limits });
    const first = await startTestSystem(definition, { store });
    await (await first.connect()).begin("one.step", { label: "a" });
    await first.time.advance(500);
    await using next = await startTestSystem(definition, { store, seed: 2 });
    const from = next.time.now();
    await next.time.until(() => calls.length === 2, 60_000);
    expect(next.time.now() - from).toBeGreaterThanOrEqual(leaseMs - 100);
    expect(next.time.now() - from).toBeLessThanOrEqual(leaseMs + 1_000);
  });

  test("W5: a zombie's outcome is refused: its claim was retaken", async () => {
    const calls: string[] = [];
    // A database that several processes share, so that nobody may assume to be alone.
    const store = { ...createMemoryStore(), exclusive: false };
    const zombie = await startTestSystem(twoServices(calls), { store });
    const executionId = await (await zombie.connect()).begin("one.step", { label: "a" });
    await zombie.time.advance(500);
    await using next = await startTestSystem(twoServices(calls), { store, seed: 2 });
    // The first is paused for longer than its lease holds; the next takes over.
    await next.time.until(() => calls.length === 2, 60_000);
    // The zombie wakes up and ends its step before the one that took over does.
    await zombie.time.advance(2_000);
    expect(calls.filter((call) => call.endsWith("done"))).toEqual(["a done"]);
    expect((await typesOf(store)).filter((type) => type === "execution.completed")).toHaveLength(0);
    await next.settled(next.system.executions.whenSettled(next.ctx, executionId));
    expect(await typesOf(store)).toEqual(["execution.accepted", "execution.claimed", "execution.completed"]);
  });

  test.each([
    ["another process wrote just before it", 0],
    ["another process wrote just before it and the database is away just after it", 500],
  ])("a claim is carried out once although %s", async (_why, awayMs) => {
    const calls: string[] = [];
    const store = { ...createMemoryStore(), exclusive: false };
    const time = simulateTime();
    let awayUntil = 0;
    // A database takes a moment to say what is new, so a claim is written before that is known.
    const slow: Store = {
      ...store,
      async readAll(...args) {
        await new Promise<void>((resolve) => time.setTimer(resolve, 10));
        return await store.readAll(...args);
      },
      async readStream(...args) {
        if (time.now() < awayUntil) throw new ViableError(storeUnavailable, "Away.", { retryable: true });
        return await store.readStream(...args);
      },
    };
    await using t = await startTestSystem(twoServices(calls), { store: slow, time });
    await using other = await startTestSystem(twoServices([]), { store, seed: 2 });
    const client = await t.connect();
    const executionId = await client.begin("one.step", { label: "a" });
    await time.advance(500);
    // Written where this process's next look at the log is still to come: its time stands still.
    await (await other.connect()).run("memory.set", { key: "k", value: 1 });
    awayUntil = time.now() + awayMs;
    t.system.swarms.get("one")?.kill("worker-1", "a test");
    expect(await client.outcome(executionId)).toMatchObject({ status: "completed", attempts: 2 });
    expect(calls).toEqual(["a begun, attempt 1", "a begun, attempt 2", "a done"]);
  });

  test("one that stops in order finishes what it can within its drain, and leaves the rest to the next", async () => {
    const calls: string[] = [];
    const store = createMemoryStore();
    // Half of so short a drain is kept for giving back.
    const first = await startTestSystem(defineSystem({ ...settingsOf(calls), limits: { drainMs: 1_000 } }), { store });
    const client = await first.connect();
    const early = await client.begin("one.step", { label: "early" });
    await first.time.advance(900);
    const late = await client.begin("one.step", { label: "late" });
    await first.stop();
    expect(calls).toEqual(["early begun, attempt 1", "late begun, attempt 1", "early done"]);
    expect(await typesOf(store)).toEqual([
      "execution.accepted",
      "execution.accepted",
      "execution.completed",
      "execution.released",
    ]);
    await using next = await startTestSystem(twoServices(calls), { store, seed: 2 });
    await next.settled(next.system.executions.whenSettled(next.ctx, late));
    for (const id of [early, late])
      expect(await next.system.executions.get(next.ctx, id)).toMatchObject({ status: "completed", attempts: 1 });
    expect(calls.slice(3)).toEqual(["late begun, attempt 1", "late done"]);
  });
});

test("whatever dies and whenever, every accepted command has exactly one outcome (W5): 60 seeds", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const calls: string[] = [];
    const random = seededRandom(seed);
    const store = createMemoryStore();
    let t = await startTestSystem(twoServices(calls), { store, seed });
    const ids: string[] = [];
    for (let round = 0; round < 6; round++) {
      const client = await t.connect();
      ids.push(await client.begin("chain"), await client.begin("one.step", { label: `${seed}.${round}` }));
      await t.time.advance(random.next() * 1_500);
      const dice = random.next();
      const parts = ["queen", "workers", "memory", "health-monitor", "meta-client", "worker-1", "worker-2", "worker-3"];
      if (dice < 0.25) {
        // A crash of the process: another takes over, the first never moves again.
        t = await startTestSystem(twoServices(calls), { store, seed: seed * 100 + round });
      } else {
        const service = random.next() < 0.5 ? "one" : "two";
        const part = parts[Math.floor(random.next() * parts.length)] as string;
        try {
          t.system.swarms.get(service)?.kill(part, "a test");
        } catch {
          // It was just being restarted.
        }
      }
    }
    for (const id of ids) await t.settled(t.system.executions.whenSettled(t.ctx, id));
    const perStream = new Map<string, string[]>();
    for (const event of await everyEvent(store, { types: ["execution.*"] })) {
      perStream.set(event.stream, [...(perStream.get(event.stream) ?? []), event.type]);
    }
    for (const [stream, types] of perStream) {
      const outcomes = types.filter(
        (type) =>
          !["execution.accepted", "execution.claimed", "execution.released", "execution.progressed"].includes(type),
      );
      expect(outcomes, `seed ${seed}, ${stream}: ${types.join(" ")}`).toHaveLength(1);
      expect(types.at(-1)).toBe(outcomes[0]);
    }
    await t.stop();
  }
}, 60_000);

test("a process that stops before a task is done gives it back, and the attempt does not count", async () => {
  const calls: string[] = [];
  const store = createMemoryStore();
  const patient = defineSystem({ ...settingsOf(calls), limits: { drainMs: 200 } });
  let executionId = "";
  // More restarts than the task has attempts.
  for (let round = 1; round <= 5; round++) {
    const t = await startTestSystem(patient, { store, seed: round });
    if (round === 1) executionId = await (await t.connect()).begin("one.step", { label: "a" });
    await t.time.advance(500);
    await t.stop();
  }
  await using t = await startTestSystem(patient, { store, seed: 9 });
  await t.settled(t.system.executions.whenSettled(t.ctx, executionId));
  expect(await t.system.executions.get(t.ctx, executionId)).toMatchObject({ status: "completed", result: "a" });
  expect(new Set(await typesOf(store))).toEqual(
    new Set(["execution.accepted", "execution.released", "execution.claimed", "execution.completed"]),
  );
  expect(calls.at(-1)).toBe("a done");
});

describe("what a dead process leaves behind", () => {
  test("an execution whose deadline passes in the next process times out there", async () => {
    const store = createMemoryStore();
    const stuck = defineSystem({
      name: "stuck",
      services: [
        service({
          name: "s",
          description: "Waits.",
          port: 0,
          agents: [
            agent({
              name: "stuck",
              capability: "stuck",
              description: "Never ends.",
              timeoutMs: 5_000,
              input: z.strictObject({}),
              handle: () => new Promise<never>(() => {}),
            }),
          ],
        }),
      ],
    });
    const first = await startTestSystem(stuck, { store });
    const executionId = await (await first.connect()).begin("stuck");
    await first.time.advance(1_000);
    await using next = await startTestSystem(stuck, { store, seed: 2, time: first.time });
    const state = await next.settled(next.system.executions.whenSettled(next.ctx, executionId));
    expect(state.status).toBe("timed_out");
    expect(next.time.now() - state.accepted.deadline).toBeLessThanOrEqual(2_000);
  });

  test("a delegated task whose parent has ended is cancelled", async () => {
    const calls: string[] = [];
    const store = createMemoryStore();
    // Longer than it takes until the next process looks for such tasks.
    const first = await startTestSystem(twoServices(calls, 5_000), { store });
    const parentId = await (await first.connect()).begin("chain");
    await first.time.advance(500);
    // The process dies between the parent's outcome and its children's.
    const parent = await first.system.executions.get(first.ctx, parentId);
    await store.commit(
      [
        {
          streams: [
            {
              stream: `execution:${parentId}`,
              expected: parent?.version ?? 0,
              events: [
                {
                  id: "evt_planted",
                  type: "execution.cancelled",
                  data: '{"by":"a test","reason":"planted"}',
                  tenant: "default",
                  session: null,
                  correlation: null,
                  metadata: '{"actor":"a test"}',
                  time: 0,
                },
              ],
            },
          ],
          records: [],
        },
      ],
      0,
    );
    await using next = await startTestSystem(twoServices(calls, 5_000), { store, seed: 2 });
    const open = () => [...next.system.executions.open()].length;
    expect(open()).toBe(1);
    await next.time.until(() => open() === 0, 5_000);
    const types = (await everyEvent(store, { types: ["execution.*"] })).map((event) => event.type);
    expect(types.at(-1)).toBe("execution.cancelled");
  });
});
