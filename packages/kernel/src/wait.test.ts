// Proves that no wait outlasts its context, and that what a wait began is let go of exactly once, however it ends.
import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import type { Context } from "./context.ts";
import { createRuntime, rootContext, withContext } from "./context.ts";
import { codeOf } from "./errors.ts";
import { simulateTime } from "./simulated-time.ts";
import { sleep, untilSettled, waitFor } from "./wait.ts";

const make = (parts: { inMs?: number } = {}) => {
  const time = simulateTime();
  const controller = new AbortController();
  const ctx: Context = rootContext(createRuntime({ clock: time }), {
    signal: controller.signal,
    ...(parts.inMs !== undefined && { deadline: time.now() + parts.inMs }),
  });
  return { time, controller, ctx };
};

/** A wait that the test settles, counting how often it is let go of. */
const held = (ctx: Context) => {
  const state = { released: 0, resolve: (_value: string) => {}, reject: (_reason: unknown) => {} };
  const promise = untilSettled<string>(ctx, (resolve, reject) => {
    state.resolve = resolve;
    state.reject = reject;
    return () => {
      state.released += 1;
    };
  });
  const outcome = promise.then(
    (value) => `resolved ${value}`,
    (error) => codeOf(error),
  );
  return { state, outcome };
};

describe("untilSettled", () => {
  test("resolves, and lets go once, also when it is settled again or the context ends later", async () => {
    const { time, controller, ctx } = make({ inMs: 1_000 });
    const { state, outcome } = held(ctx);
    state.resolve("a");
    state.resolve("b");
    state.reject(new Error("c"));
    controller.abort();
    await time.advance(2_000);
    expect(await outcome).toBe("resolved a");
    expect(state.released).toBe(1);
  });

  test("listens to a signal only where that can be aborted, and only until it ends", async () => {
    const heard = (ctx: Context) => getEventListeners(ctx.signal, "abort").length;
    const { ctx } = make();
    const { state, outcome } = held(ctx);
    expect(heard(ctx)).toBe(1);
    state.resolve("a");
    await outcome;
    expect(heard(ctx)).toBe(0);
    const endless = rootContext(createRuntime({ clock: simulateTime() }));
    // One signal is shared by all contexts that cannot be aborted: who else listens to it is nothing to this.
    const others = heard(endless);
    held(endless);
    expect(heard(endless)).toBe(others);
  });

  test("ends at the deadline, not before, and lets go once", async () => {
    const { time, ctx } = make({ inMs: 1_000 });
    const { state, outcome } = held(ctx);
    await time.advance(999);
    expect(state.released).toBe(0);
    await time.advance(1);
    expect(await outcome).toBe("context.deadline_exceeded");
    state.resolve("late");
    expect(state.released).toBe(1);
  });

  test("ends when the signal is aborted, and lets go once", async () => {
    const { time, controller, ctx } = make({ inMs: 1_000 });
    const { state, outcome } = held(ctx);
    controller.abort();
    expect(await outcome).toBe("context.cancelled");
    await time.advance(2_000);
    expect(state.released).toBe(1);
  });

  test("leaves neither timer nor listener behind", async () => {
    const { time, controller, ctx } = make({ inMs: 1_000 });
    let listeners = 0;
    const { addEventListener, removeEventListener } = controller.signal;
    controller.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1;
      addEventListener.apply(controller.signal, args);
    };
    controller.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1;
      removeEventListener.apply(controller.signal, args);
    };
    const { state, outcome } = held(ctx);
    expect([time.pending, listeners]).toEqual([1, 1]);
    state.resolve("a");
    await outcome;
    expect([time.pending, listeners]).toEqual([0, 0]);
  });

  test("what is settled while it starts is let go of once it has started", async () => {
    const { ctx } = make();
    let released = 0;
    const value = await untilSettled<string>(ctx, (resolve) => {
      resolve("at once");
      return () => {
        released += 1;
      };
    });
    expect([value, released]).toEqual(["at once", 1]);
  });

  test("what throws while it starts rejects, and leaves no timer behind", async () => {
    const { time, ctx } = make({ inMs: 1_000 });
    const outcome = untilSettled(ctx, () => {
      throw new Error("cannot begin");
    });
    await expect(outcome).rejects.toThrow("cannot begin");
    expect(time.pending).toBe(0);
  });

  test("begins nothing in a context that is over", async () => {
    const { controller, ctx } = make();
    controller.abort();
    let begun = false;
    const outcome = untilSettled(ctx, () => {
      begun = true;
      return () => {};
    }).catch(codeOf);
    expect(await outcome).toBe("context.cancelled");
    expect(begun).toBe(false);
  });
});

describe("sleep", () => {
  test("takes its time", async () => {
    const { time, ctx } = make();
    let awake = false;
    void sleep(ctx, 500).then(() => {
      awake = true;
    });
    await time.advance(499);
    expect(awake).toBe(false);
    await time.advance(1);
    expect(awake).toBe(true);
  });

  test("is woken by the context, and sets no timer off later", async () => {
    const { time, controller, ctx } = make();
    const outcome = sleep(ctx, 500).catch(codeOf);
    controller.abort();
    expect(await outcome).toBe("context.cancelled");
    expect(time.pending).toBe(0);
  });
});

describe("waitFor", () => {
  test("passes on what the promise does, either way", async () => {
    const { ctx } = make({ inMs: 100 });
    expect(await waitFor(ctx, Promise.resolve("done"))).toBe("done");
    await expect(waitFor(ctx, Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  });

  test("waits no longer than the context lasts", async () => {
    const { time, ctx } = make({ inMs: 100 });
    const outcome = waitFor(ctx, new Promise(() => {})).catch(codeOf);
    await time.advance(100);
    expect(await outcome).toBe("context.deadline_exceeded");
  });

  test("costs nothing where the context cannot end", () => {
    const promise = Promise.resolve("done");
    const ctx = withContext(rootContext(createRuntime()), { tenant: "acme" });
    expect(waitFor(ctx, promise)).toBe(promise);
  });

  test("what fails after the wait, or when it was too late to wait, is nobody's uncaught error", async () => {
    const { time, controller, ctx } = make({ inMs: 100 });
    const failing = Promise.withResolvers<never>();
    const outcome = waitFor(ctx, failing.promise).catch(codeOf);
    await time.advance(100);
    expect(await outcome).toBe("context.deadline_exceeded");
    controller.abort();
    // A rejection that nobody has taken would end the test run here.
    expect(await waitFor(ctx, failing.promise).catch(codeOf)).toBe("context.cancelled");
    expect(await waitFor(ctx, Promise.reject(new Error("too late"))).catch(codeOf)).toBe("context.cancelled");
    failing.reject(new Error("late"));
    await time.settle();
  });
});
