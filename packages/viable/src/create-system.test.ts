// A system as a whole, under simulated time: how it stops, what it says of itself, and what it lets a session see.
import { simulateTime, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createMemoryStore, storeUnavailable } from "@viable/log";
import { startTestSystem } from "@viable/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, service } from "./index.ts";

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

  test("that used all its time to drain still writes what it gives back, and leaves no lease, though the database is slow", async () => {
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
    await t.stop();
    const released = await t.events("execution.released");
    expect(released.map(({ stream }) => stream).sort()).toEqual(began.map((id) => `execution:${id}`).sort());
    // Others would wait for a lease that nobody renews.
    expect(await memory.listRecords("cluster/process/", "", 10, time.now())).toEqual([]);
  });
});
