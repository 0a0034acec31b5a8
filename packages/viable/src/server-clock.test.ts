// Wall time of a process: as the server has it, whatever this machine's clock says, and unmoved by whoever sets that.
import type { Clock } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { createSystem } from "./create-system.ts";
import { readHosting } from "./hosting.ts";
import { agent, defineSystem, service } from "./index.ts";
import { createServerClock } from "./server-clock.ts";

/** A machine whose wall clock can be set. What was asked of the server takes `answerMs`. */
function machine({ aheadMs = 0, answerMs = 10 } = {}) {
  const time = simulateTime();
  const own = { aheadMs, isAway: false, asked: 0 };
  const told: number[] = [];
  const clock: Clock = {
    now: () => time.now() + own.aheadMs,
    monotonicMs: () => time.monotonicMs(),
    nextTurn: () => time.nextTurn(),
    setTimer: (fire, delayMs, options) => time.setTimer(fire, delayMs, options),
  };
  const serverClock = createServerClock({
    clock,
    async serverMs() {
      own.asked += 1;
      if (own.isAway) throw new Error("away");
      await new Promise<void>((resolve) => void time.setTimer(resolve, answerMs / 2));
      const ms = time.now();
      await new Promise<void>((resolve) => void time.setTimer(resolve, answerMs / 2));
      return ms;
    },
    onOff: (ms) => void told.push(Math.round(ms)),
  });
  const ctx = rootContext(createRuntime({ clock }));
  const start = async () => {
    let isUp = false;
    const started = serverClock.start(ctx).then(() => {
      isUp = true;
    });
    await time.until(() => isUp);
    await started;
  };
  return { time, own, told, serverClock, start };
}

test("it is the server's, within half of what an answer takes, however wrong the machine's own is", async () => {
  for (const aheadMs of [600_000, -600_000, 0]) {
    const { time, serverClock, told, start } = machine({ aheadMs });
    expect(serverClock.now()).toBe(time.now() + aheadMs);
    await start();
    expect(Math.abs(serverClock.now() - time.now())).toBeLessThanOrEqual(5);
    expect(told).toEqual(aheadMs === 0 ? [] : [aheadMs]);
    await time.advance(300_000);
    expect(Math.abs(serverClock.now() - time.now())).toBeLessThanOrEqual(5);
    // What was told is not told again.
    expect(told).toHaveLength(aheadMs === 0 ? 0 : 1);
    await serverClock.stop(rootContext(createRuntime({ clock: time })));
  }
});

test("it counts whole milliseconds, as every clock's wall time does", async () => {
  const { serverClock, start, time } = machine({ aheadMs: 1_000, answerMs: 9.5 });
  await start();
  await time.advance(0.3);
  expect(serverClock.now() % 1).toBe(0);
});

test("who sets the machine's clock moves nothing, and is told of once it is right again", async () => {
  const { time, own, told, serverClock, start } = machine();
  await start();
  own.aheadMs = 3_600_000;
  expect(Math.abs(serverClock.now() - time.now())).toBeLessThanOrEqual(5);
  await time.advance(2_000);
  expect(told).toEqual([3_600_000]);
  own.aheadMs = 0;
  await time.advance(2_000);
  expect(told.map((ms) => Math.round(ms / 1_000))).toEqual([3_600, 0]);
});

test("it goes on while the server does not answer, and asks each minute", async () => {
  const { time, own, serverClock, start } = machine({ aheadMs: 5_000 });
  await start();
  own.isAway = true;
  const before = own.asked;
  await time.advance(600_000);
  expect(own.asked - before).toBeGreaterThanOrEqual(9);
  expect(own.asked - before).toBeLessThanOrEqual(11);
  expect(Math.abs(serverClock.now() - time.now())).toBeLessThanOrEqual(5);
});

const slow = service({
  name: "slow",
  description: "Takes its time.",
  port: 0,
  agents: [
    agent({
      name: "sleeper",
      capability: "sleep",
      description: "Sleeps a second.",
      timeoutMs: 60_000,
      input: z.strictObject({}),
      handle: async (ctx) => {
        await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, 1_000));
        return ctx.service;
      },
    }),
  ],
});

test.each([600_000, -600_000])(
  "a process whose machine's clock is off by %d ms ends nobody's tasks, and does its own",
  async (aheadMs) => {
    const random = seededRandom(3);
    const time = simulateTime({ random });
    const store = { ...createMemoryStore(), exclusive: false };
    const definition = defineSystem({ name: "s", services: [slow] });
    const flags = { only: "--only", roles: "--roles" };
    const gateway = await startTestSystem(definition, {
      store,
      time,
      hosting: readHosting(definition, { roles: "gateway" }, flags),
    });
    const off: Clock = { ...clockOf(time), now: () => time.now() + aheadMs };
    const clock = createServerClock({ clock: off, serverMs: async () => time.now(), onOff: () => {} });
    const runtime = createRuntime({ clock, random });
    const worker = createSystem(definition, { store, runtime, clock }, { servicePorts: "none" });
    await gateway.settled(worker.start(rootContext(createRuntime({ clock: off, random }))));
    await time.advance(2_000);
    const client = await gateway.connect();
    expect(await client.run("sleep")).toMatchObject({ status: "completed", result: "slow" });
    expect(await gateway.events("execution.timed_out")).toEqual([]);
    await gateway.settled(worker.stop(rootContext(runtime)));
    await gateway.stop();
  },
);

const clockOf = (time: Clock): Omit<Clock, "now"> => ({
  monotonicMs: () => time.monotonicMs(),
  nextTurn: () => time.nextTurn(),
  setTimer: (fire, delayMs, options) => time.setTimer(fire, delayMs, options),
});
