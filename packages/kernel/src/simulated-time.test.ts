// Proves that simulated time fires timers in a known order, that a seed explores other orders and repeats them, and that it hides
// nothing: promises run between timers, and a wait that never ends is reported.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { createRuntime, rootContext } from "./context.ts";
import { seededRandom } from "./random.ts";
import { simulateTime } from "./simulated-time.ts";
import { sleep } from "./wait.ts";

describe("order", () => {
  test("timers fire by time, those of one moment in the order they were set", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 20 }), { maxLength: 30 }), async (delays) => {
        const time = simulateTime();
        const fired: [number, number][] = [];
        delays.forEach((delayMs, index) => {
          time.setTimer(() => fired.push([time.monotonicMs(), index]), delayMs);
        });
        await time.advance(20);
        const expected = delays.map((delayMs, index): [number, number] => [delayMs, index]);
        expect(fired).toEqual(expected.sort((a, b) => a[0] - b[0] || a[1] - b[1]));
      }),
      { numRuns: 50 },
    );
  });

  test("with a seed, those of one moment fire in another order, and the same seed repeats it", async () => {
    const orderOf = async (seed: number) => {
      const time = simulateTime({ random: seededRandom(seed) });
      const fired: number[] = [];
      for (let index = 0; index < 8; index++) time.setTimer(() => fired.push(index), 10);
      time.setTimer(() => fired.push(-1), 9);
      await time.advance(10);
      return fired.join(" ");
    };
    const orders = await Promise.all([1, 2, 3, 4, 5, 6].map(orderOf));
    expect(new Set(orders).size).toBeGreaterThan(3);
    expect(await Promise.all([1, 2, 3, 4, 5, 6].map(orderOf))).toEqual(orders);
    // Chance decides only among those that are due at once.
    expect(orders.every((order) => order.startsWith("-1 "))).toBe(true);
  });

  test("what a timer starts runs before the next timer, whole chains of promises", async () => {
    const time = simulateTime();
    const ctx = rootContext(createRuntime({ clock: time }));
    const trace: string[] = [];
    const work = async (name: string) => {
      for (let step = 0; step < 100; step++) await Promise.resolve();
      trace.push(`${name} done`);
    };
    time.setTimer(() => void work("first"), 5);
    time.setTimer(() => trace.push("second"), 5);
    void sleep(ctx, 3)
      .then(() => sleep(ctx, 3))
      .then(() => trace.push("slept 6"));
    await time.advance(10);
    expect(trace).toEqual(["first done", "second", "slept 6"]);
  });

  test("a timer that is set on the way fires on the way, if it is due", async () => {
    const time = simulateTime();
    const fired: number[] = [];
    const tick = () => {
      fired.push(time.monotonicMs());
      time.setTimer(tick, 10);
    };
    tick();
    await time.advance(35);
    expect(fired).toEqual([0, 10, 20, 30]);
    expect([time.monotonicMs(), time.pending]).toEqual([35, 1]);
  });
});

test("time stands still until it is moved", async () => {
  const time = simulateTime({ startMs: 1_000 });
  let fired = false;
  time.setTimer(() => {
    fired = true;
  }, 1);
  await new Promise<void>((resolve) => systemClock.setTimer(resolve, 5));
  await time.settle();
  expect([fired, time.now(), time.monotonicMs()]).toEqual([false, 1_000, 0]);
});

test("a timer that is cancelled does not fire, and cancelling it again does nothing", async () => {
  const time = simulateTime();
  let fired = 0;
  const timer = time.setTimer(() => fired++, 1);
  timer.cancel();
  timer.cancel();
  const other = time.setTimer(() => fired++, 1);
  await time.advance(1);
  other.cancel();
  expect([fired, time.pending]).toEqual([1, 0]);
});

test("until moves from timer to timer until it holds, and no further", async () => {
  const time = simulateTime();
  let count = 0;
  const tick = () => {
    count += 1;
    time.setTimer(tick, 1_000);
  };
  tick();
  await time.until(() => count === 4);
  expect(time.monotonicMs()).toBe(3_000);
});

test("until reports what is never reached, by running out of timers or of time", async () => {
  await expect(simulateTime().until(() => false)).rejects.toThrow("0 timers set");
  const time = simulateTime();
  const tick = () => void time.setTimer(tick, 1_000);
  tick();
  await expect(time.until(() => false, 5_000)).rejects.toThrow("1 timers set");
  expect(time.monotonicMs()).toBe(5_000);
});
