// A handler that fails shows (W10), and one that fails at every message does not fill the process's log.
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { expect, test } from "vitest";
import { createSystemBus } from "./system-bus.ts";

test("a handler that fails is told of once a minute, and counted each time", async () => {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime);
  const told: string[] = [];
  const bus = createSystemBus(runtime, (message) => told.push(message));
  await bus.start(ctx);
  bus.subscribe("load.*", {}, () => {
    throw new Error("it broke");
  });
  const publish = async (times: number) => {
    for (let time = 0; time < times; time++) bus.publish(ctx, "load.one", {});
    await time.settle();
  };
  await publish(10);
  expect(told).toEqual(['Who listens to "load.one" failed at a message: it broke']);
  await time.advance(60_000);
  await publish(10);
  expect(told).toHaveLength(2);
  expect(bus.stats().handlerErrors).toBe(20);
});
