// An agent whose work a run of a reactor does: the task has the run's result, its failure and its end, and a task that is begun again finds its run.
import { seededRandom, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { agent, byReactor, defineSystem, reactor, service } from "./index.ts";

/** `beforeCommit` is awaited before anything is written. */
async function start(beforeCommit: (batch: string) => Promise<void> = async () => {}) {
  const undone: string[] = [];
  const asked: { capability: string; principal: string; clientType: string }[] = [];
  const packing = agent({
    name: "packer",
    capability: "pack",
    description: "Packs, which takes a while.",
    input: z.strictObject({ ms: z.number(), fails: z.boolean() }),
    handle: async (ctx, { ms, fails }) => {
      asked.push({ capability: "pack", principal: ctx.principal, clientType: ctx.authority.clientType });
      await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, ms));
      if (fails) throw new Error("Nothing left.");
      return "packed";
    },
  });
  const order = reactor("order", { input: z.strictObject({ ms: z.number(), fails: z.boolean() }) }, (steps) =>
    steps
      .step("reserve", { run: () => "reserved", undo: () => void undone.push("reserve") })
      .task("pack", {
        capability: "pack",
        after: ["reserve"],
        args: ({ input }) => ({ ms: input.ms, fails: input.fails }),
        result: z.string(),
      })
      .returns(({ results }) => ({ sent: results.pack })),
  );
  const input = z.strictObject({ ms: z.number().default(100), fails: z.boolean().default(false) });
  const system = defineSystem({
    name: "ordering",
    services: [
      // One worker, which packs while the order that it is for waits.
      service({
        name: "orders",
        description: "Takes orders.",
        port: 0,
        workers: 1,
        agents: [
          byReactor({
            name: "order-taker",
            capability: "order.take",
            description: "Takes one.",
            input,
            reactor: order,
          }),
          byReactor({
            name: "order-mistaker",
            capability: "order.mistake",
            description: "Takes one that does not fit.",
            input: z.strictObject({}),
            reactor: "order",
            toInput: () => ({ amount: "?" }),
          }),
          packing,
        ],
      }),
    ],
    reactors: [order],
    limits: { drainMs: 0 },
  });
  const time = simulateTime({ random: seededRandom(6) });
  const memory = createMemoryStore();
  const store = {
    ...memory,
    exclusive: false,
    async commit(...batch: Parameters<typeof memory.commit>) {
      await beforeCommit(JSON.stringify(batch[0]));
      return await memory.commit(...batch);
    },
  };
  const startAs = (seed: number) => startTestSystem(system, { seed, store, time });
  const one = await startAs(1);
  const client = await one.connect();
  return { time, one, client, undone, asked, startAs };
}

test("its result is the run's, whose tasks are done in the name of whoever asked for it", async () => {
  const { one, client, asked } = await start();
  const answer = await client.run("order.take");
  expect(answer).toMatchObject({ status: "completed", result: { sent: "packed" } });
  const [started] = await one.events("run.started");
  expect(started?.metadata.causation).toBe(answer.executionId);
  expect(asked).toEqual([{ capability: "pack", principal: "owner", clientType: "agent" }]);
  await one.stop();
});

test("what the run fails with it fails with, by then undone; so it does with what the run refuses", async () => {
  const { one, client, undone } = await start();
  expect(await client.run("order.take", { fails: true })).toMatchObject({
    status: "failed",
    error: { message: expect.stringContaining("Nothing left.") },
  });
  expect(undone).toEqual(["reserve"]);
  expect(await client.run("order.mistake")).toMatchObject({
    status: "failed",
    error: { code: "reactor.invalid_input" },
  });
  await one.stop();
});

test.each<[string, { deadlineMs?: number }]>([
  ["is cancelled", {}],
  ["runs out of time", { deadlineMs: 5_000 }],
])("a task that %s has its run cancelled, and undone", async (_what, options) => {
  const { time, one, client, undone } = await start();
  const executionId = await client.begin("order.take", { ms: 60_000 }, options);
  await time.advance(1_000);
  if (options.deadlineMs === undefined) await one.settled(one.system.intake.cancel(one.ctx, executionId, "not wanted"));
  await time.advance(10_000);
  const [ended] = await one.events("run.cancelled", "run.compensated", "run.completed", "run.failed");
  expect(ended?.type).toBe("run.cancelled");
  expect(undone).toEqual(["reserve"]);
  await one.stop();
});

test("a task that is cancelled while its run is being begun has it cancelled, too", async () => {
  let waits: (() => void) | undefined;
  const begun = async (batch: string) => {
    if (batch.includes('"run.started"')) await new Promise<void>((resolve) => (waits = resolve));
  };
  const { time, one, client, startAs } = await start(begun);
  const executionId = await client.begin("order.take", { ms: 60_000 });
  await time.advance(1_000);
  // Another process says so: this one's own word would wait behind the run's beginning.
  const other = await startAs(2);
  await other.settled(other.system.intake.cancel(other.ctx, executionId, "not wanted"));
  await time.advance(2_000);
  expect(waits).toBeTypeOf("function");
  waits?.();
  await time.advance(10_000);
  const ended = await one.events("run.cancelled", "run.compensated", "run.completed", "run.failed");
  expect(ended.map(({ type }) => type)).toEqual(["run.cancelled"]);
  for (const each of [other, one]) await each.stop();
});

test("a task that is begun again, since its process stopped, finds the run that it had begun", async () => {
  const { time, one, client, startAs, undone } = await start();
  const executionId = await client.begin("order.take", { ms: 3_000 });
  await time.advance(1_000);
  await one.stop();
  const other = await startAs(2);
  const later = await other.connect();
  await time.advance(30_000);
  const again = await other.settled(other.system.executions.whenSettled(other.ctx, executionId));
  expect(again).toMatchObject({ status: "completed", result: { sent: "packed" } });
  expect(await other.events("run.started")).toHaveLength(1);
  expect(undone).toEqual([]);
  expect(later.sessionId).not.toBe(client.sessionId);
  await other.stop();
});

test("a reactor that the system does not have is said when it is defined", () => {
  const lost = byReactor({
    name: "lost",
    capability: "lose",
    description: "Has nobody.",
    input: z.strictObject({}),
    reactor: "nowhere",
  });
  expect(() =>
    defineSystem({ name: "s", services: [service({ name: "a", description: "A.", port: 0, agents: [lost] })] }),
  ).toThrow(expect.objectContaining({ code: "config.invalid", message: expect.stringContaining('"nowhere"') }));
});
