// A system as a whole, under simulated time: how it stops, what it says of itself, and what it lets a session see.
import type { Bus } from "@viable/bus";
import { createMemoryBus } from "@viable/bus";
import type { SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createMemoryStore, storeUnavailable } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import type { TestSystem } from "@viable/testing";
import { startTestSystem } from "@viable/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createSystem } from "./create-system.ts";
import type { Hosting } from "./hosting.ts";
import { agent, defineSystem, reactor, service } from "./index.ts";

/** A service with an agent that takes as long as it is told. */
const sleepyService = (name: string) =>
  service({
    name,
    description: "Takes its time.",
    port: 0,
    agents: [
      agent({
        name: "sleeper",
        capability: `${name}.sleep`,
        description: "Takes as long as it is told.",
        timeoutMs: 600_000,
        input: z.strictObject({ ms: z.number() }),
        handle: async (ctx, { ms }) => {
          await new Promise<void>((resolve, reject) => {
            const timer = ctx.runtime.clock.setTimer(resolve, ms);
            ctx.signal.addEventListener("abort", () => {
              timer.cancel();
              reject(ctx.signal.reason);
            });
          });
          return ms;
        },
      }),
    ],
  });

describe("a stop", () => {
  const system = (drainMs: number) =>
    defineSystem({ name: "s", services: [sleepyService("one"), sleepyService("two")], limits: { drainMs } });

  test("lets running tasks end for as long as the config says", async () => {
    await using t = await startTestSystem(system(20_000));
    const client = await t.connect("api");
    const began = [await client.begin("one.sleep", { ms: 18_000 }), await client.begin("two.sleep", { ms: 15_000 })];
    const fromMs = t.time.now();
    await t.stop();
    expect(t.time.now() - fromMs).toBeLessThan(19_000);
    const ended = await t.events("execution.completed");
    expect(ended.map(({ stream }) => stream).sort()).toEqual(began.map((id) => `execution:${id}`).sort());
  });

  test("gives back what does not end in time, of every swarm, a moment after the time is over", async () => {
    await using t = await startTestSystem(system(5_000));
    const client = await t.connect("api");
    const began = [
      await client.begin("one.sleep", { ms: 60_000 }),
      await client.begin("two.sleep", { ms: 60_000 }),
      await client.begin("two.sleep", { ms: 60_001 }),
    ];
    const fromMs = t.time.now();
    await t.stop();
    expect(t.time.now() - fromMs).toBeLessThan(8_000);
    const released = await t.events("execution.released");
    expect(released.map(({ stream }) => stream).sort()).toEqual(began.map((id) => `execution:${id}`).sort());

    await using next = await startTestSystem(system(5_000), { store: t.store });
    for (const id of began)
      expect((await next.settled(next.system.executions.whenSettled(next.ctx, id))).attempts).toBe(1);
  });

  // When it comes decides whose workers are ended by the end of its time, and whose before.
  test.each(Array.from({ length: 9 }, (_, shift) => shift * 400))(
    "%d ms later that used all its time to drain still writes what it gives back, and leaves no lease, though the database is slow",
    async (laterMs) => {
      const time = simulateTime();
      const memory = createMemoryStore();
      let open = true;
      const slow: Store = {
        ...memory,
        async commit(...batch) {
          await new Promise<void>((resolve) => time.setTimer(resolve, 800));
          if (!open) throw new ViableError(storeUnavailable, "Closed.", { retryable: true });
          return await memory.commit(...batch);
        },
        async close() {
          open = false;
        },
      };
      const t = await startTestSystem(system(5_000), { store: slow, time });
      const client = await t.connect("api");
      const began = [await client.begin("one.sleep", { ms: 60_000 }), await client.begin("two.sleep", { ms: 60_000 })];
      await time.advance(laterMs);
      await t.stop();
      const released = await t.events("execution.released");
      expect(released.map(({ stream }) => stream).sort()).toEqual(began.map((id) => `execution:${id}`).sort());
      expect(await t.events("execution.claimed")).toEqual([]);
      // Others would wait for a lease that nobody renews.
      expect((await memory.listRecords("cluster/process/", "", 10, time.now())).records).toEqual([]);
    },
  );
});

describe("a task of a run that a stop keeps from being asked for", () => {
  const dozes = reactor("dozes", { input: z.looseObject({}) }, (steps) =>
    steps
      .task("doze", { capability: "one.sleep", args: () => ({ ms: 100 }), result: z.number() })
      .returns(({ results }) => results.doze),
  );
  const system = defineSystem({
    name: "s",
    services: [sleepyService("one"), sleepyService("two")],
    reactors: [dozes],
  });
  const goesOn = async (store: Store, time: SimulatedTime) => {
    await using t = await startTestSystem(system, { store, time, seed: 3 });
    const [started] = await t.events("run.started");
    const runId = started?.stream.slice("run:".length) as string;
    expect(await t.settled(t.system.reactors.whenEnded(t.ctx, runId))).toMatchObject({ type: "run.completed" });
    expect(await t.events("step.failed")).toEqual([]);
  };

  test("keeps no stop waiting: its step goes on at the next start, and has not failed", async () => {
    const time = simulateTime();
    const memory = createMemoryStore();
    const reading = { held: Promise.resolve() };
    const store: Store = {
      ...memory,
      async readStream(...asked) {
        await reading.held;
        return await memory.readStream(...asked);
      },
    };
    const t = await startTestSystem(system, { store, time });
    const client = await t.connect();
    const { promise, resolve } = Promise.withResolvers<void>();
    reading.held = promise;
    await client.begin("reactor.start", { reactor: "dozes" });
    await time.advance(100);
    const fromMs = time.now();
    const stopped = t.stop();
    resolve();
    await stopped;
    expect(await everyEvent(memory, { types: ["run.started", "execution.accepted"] })).toHaveLength(2);
    expect(time.now() - fromMs).toBeLessThan(1_000);
    await goesOn(memory, time);
  });

  test("keeps no start waiting that has failed", async () => {
    const time = simulateTime();
    const memory = createMemoryStore();
    const first = await startTestSystem(
      { ...system, limits: { ...system.limits, drainMs: 0 } },
      { store: memory, time },
    );
    await (await first.connect()).begin("reactor.start", { reactor: "dozes" });
    await first.stop();
    // The second service cannot be registered; by then the run was taken on.
    const failing: Store = {
      ...memory,
      async commit(...batch) {
        if (JSON.stringify(batch).includes("two.sleep")) {
          await new Promise<void>((resolve) => time.setTimer(resolve, 100));
          throw new ViableError("test.refused", "No.");
        }
        return await memory.commit(...batch);
      },
    };
    const fromMs = time.now();
    await expect(startTestSystem(system, { store: failing, time, seed: 2 })).rejects.toThrow();
    expect(time.now() - fromMs).toBeLessThan(10_000);
    expect(await everyEvent(memory, { types: ["run.claimed"] })).toHaveLength(1);
    await goesOn(memory, time);
  });
});

describe("what is counted somewhere is shown somewhere (W10)", () => {
  const definition = defineSystem({ name: "s", services: [sleepyService("one")] });
  /** A store that several processes share, and a way to cut one of them off. */
  const share = (store: Store) => {
    const link = { up: true };
    const over =
      <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        if (!link.up) throw new ViableError(storeUnavailable, "Cut off.", { retryable: true });
        return await call(...args);
      };
    const { commit, readAll, readChanges, listRecords, getRecords } = store;
    const shared: Store = {
      ...store,
      exclusive: false,
      commit: over(commit),
      readAll: over(readAll),
      readChanges: over(readChanges),
      listRecords: over(listRecords),
      getRecords: over(getRecords),
    };
    return { shared, link };
  };
  const checkOf = async (t: TestSystem, name: string) =>
    (await t.settled(t.system.health())).checks.find((check) => check.name === name);
  const messages = (t: TestSystem) => t.notices.map(({ message }) => message).join("\n");

  test("processes that share the log: how many there are, one that is gone, and that this one lost its lease", async () => {
    const memory = createMemoryStore();
    const time = simulateTime();
    const [here, there] = [share(memory), share(memory)];
    await using one = await startTestSystem(definition, { store: here.shared, time });
    await using two = await startTestSystem(definition, { store: there.shared, time, seed: 2 });
    await time.advance(2_000);
    expect(await checkOf(one, "membership")).toMatchObject({
      status: "ok",
      detail: expect.stringContaining("2 processes"),
    });
    const metrics = await (
      await one.system.fetch(
        new Request("http://test.invalid/metrics", { headers: { authorization: `Bearer ${one.system.ownerToken}` } }),
      )
    ).text();
    expect(metrics).toMatch(/^viable_cluster_members 2$/m);

    there.link.up = false;
    await time.advance(20_000);
    expect(messages(two)).toMatch(/This process lost its lease of epoch \d+ \(expired\)/);
    expect(messages(one)).toContain(`Process ${two.system.membership.processId} (epoch 2) is gone`);
    expect(await checkOf(one, "membership")).toMatchObject({ detail: expect.stringContaining("1 process in all") });
    there.link.up = true;
    await time.advance(20_000);
    expect(await checkOf(two, "membership")).toMatchObject({
      status: "ok",
      detail: expect.stringContaining("2 processes"),
    });
  });

  test("who is cut off from the database says so, and not that nobody offers what is asked for", async () => {
    const memory = createMemoryStore();
    const time = simulateTime();
    const [here, there] = [share(memory), share(memory)];
    const hosting: Hosting = { roles: ["gateway"], services: [], apart: [] };
    await using gateway = await startTestSystem(definition, { store: here.shared, time, hosting });
    await using _worker = await startTestSystem(definition, { store: there.shared, time, seed: 2 });
    await time.advance(2_000);
    const route = () => gateway.system.registry.route("one.sleep");
    expect(route()).toMatchObject({ ok: true });
    expect(gateway.system.registry.route("one.nap")).toMatchObject({ code: "registry.no_swarm" });
    here.link.up = false;
    await time.advance(30_000);
    expect(route()).toMatchObject({
      code: "registry.out_of_date",
      reasons: [expect.stringMatching(/out of date: the log cannot be read since 2026-.*Cut off/), expect.any(String)],
    });
    here.link.up = true;
    await time.advance(2_000);
    expect(route()).toMatchObject({ ok: true });
  });

  test("a log whose news cannot be read is degraded, though it answers", async () => {
    const { shared } = share(createMemoryStore());
    let fails = false;
    const store: Store = {
      ...shared,
      readAll: async (...args) => {
        if (fails) throw new ViableError(storeUnavailable, "Away.", { retryable: true });
        return await shared.readAll(...args);
      },
    };
    await using t = await startTestSystem(definition, { store });
    expect(await checkOf(t, "log")).toMatchObject({ status: "ok" });
    fails = true;
    await t.time.advance(3_000);
    expect(await checkOf(t, "log")).toMatchObject({
      status: "degraded",
      detail: expect.stringMatching(/what is new cannot be read since 2026-01-01T00:00:0\d.*: Away\./),
    });
    fails = false;
    await t.time.advance(2_000);
    expect(await checkOf(t, "log")).toMatchObject({ status: "ok" });
  });

  test("the bus: what it dropped and what its handlers failed at", async () => {
    const time = simulateTime();
    const runtime = createRuntime({ clock: time });
    const inner = createMemoryBus(runtime);
    const bus: Bus = { ...inner, stats: () => ({ ...inner.stats(), dropped: 3, handlerErrors: 2 }) };
    const system = createSystem(definition, { store: createMemoryStore(), runtime, bus }, { servicePorts: "none" });
    await system.start(rootContext(runtime));
    expect((await system.health()).checks).toContainEqual({
      name: "bus",
      status: "ok",
      detail: expect.stringContaining("3 messages dropped, 2 failures of handlers"),
    });
    await system.stop(rootContext(runtime));
  });
});
