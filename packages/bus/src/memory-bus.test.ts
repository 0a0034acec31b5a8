// The bus within one process keeps the contract of every bus. Beside it, what only this one can be asked.
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import { createMemoryBus } from "./memory-bus.ts";
import { createMemoryHub } from "./memory-hub.ts";
import { busContract } from "./testing/index.ts";

busContract("memory", async () => {
  const hub = createMemoryHub();
  return {
    connect: (runtime) => createMemoryBus(runtime, { hub }),
    // What shares its memory with others cannot die alone: the next to it is to end without a word.
    kill: (bus) => bus.stop(rootContext(createRuntime())),
    close: async () => {},
  };
});

describe("createMemoryBus", () => {
  test("under simulated time a request without a deadline is bounded all the same", async () => {
    const time = simulateTime();
    const ctx = rootContext(createRuntime({ clock: time }));
    const bus = createMemoryBus(ctx.runtime);
    await bus.start(ctx);
    bus.subscribe("a", {}, () => new Promise(() => {}));
    const outcome = expect(bus.request(ctx, "a", {})).rejects.toMatchObject({ code: "context.deadline_exceeded" });
    await time.advance(10_000);
    await outcome;
    expect(time.pending).toBe(0);
  });

  test("buses without a common hub do not hear each other", async () => {
    const ctx = rootContext(createRuntime());
    const [one, two] = [createMemoryBus(ctx.runtime), createMemoryBus(ctx.runtime)];
    await one.start(ctx);
    await two.start(ctx);
    two.subscribe("a", {}, () => true);
    await expect(one.request(ctx, "a", {})).rejects.toMatchObject({ code: "bus.no_responder" });
  });

  test("what a handler throws is told to whoever looks after the bus, unless a requester gets it", async () => {
    const ctx = rootContext(createRuntime());
    const errors: unknown[] = [];
    const bus = createMemoryBus(ctx.runtime, { onHandlerError: (error, subject) => errors.push([subject, error]) });
    await bus.start(ctx);
    const broken = new Error("broken");
    bus.subscribe("a", {}, () => {
      throw broken;
    });
    await bus.request(ctx, "a", {}).catch(() => {});
    expect(errors).toEqual([]);
    bus.publish(ctx, "a", {});
    await Promise.resolve().then(() => {});
    expect(errors).toEqual([["a", broken]]);
  });

  test("thousands of subscriptions to one subject each do not slow down the others", async () => {
    const ctx = rootContext(createRuntime());
    const bus = createMemoryBus(ctx.runtime);
    await bus.start(ctx);
    let heard = 0;
    for (let number = 0; number < 20_000; number++) bus.subscribe(`executions.${number}`, {}, () => void heard++);
    const from = ctx.runtime.clock.monotonicMs();
    for (let number = 0; number < 20_000; number++) bus.publish(ctx, `executions.${number}`, {});
    await new Promise<void>((resolve) => ctx.runtime.clock.setTimer(resolve, 0));
    expect(heard).toBe(20_000);
    // Looking through all subscriptions for each would take minutes.
    expect(ctx.runtime.clock.monotonicMs() - from).toBeLessThan(5_000);
  });
});
