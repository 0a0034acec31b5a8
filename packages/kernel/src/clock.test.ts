// Proves the machine's own clock: it fires once, not early, and takes waits longer than the platform's timers hold.
import { MessageChannel } from "node:worker_threads";
import { afterEach, expect, test, vi } from "vitest";
import { systemClock } from "./clock.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

test("fires once, not before its time, and not after it was cancelled", () => {
  vi.useFakeTimers();
  let fired = 0;
  systemClock.setTimer(() => fired++, 100);
  const cancelled = systemClock.setTimer(() => fired++, 100);
  cancelled.cancel();
  vi.advanceTimersByTime(99);
  expect(fired).toBe(0);
  vi.advanceTimersByTime(1_000);
  expect(fired).toBe(1);
});

test("a wait of sixty days fires after sixty days, not at once, and can be cancelled on the way", () => {
  vi.useFakeTimers();
  const dayMs = 86_400_000;
  let fired = 0;
  systemClock.setTimer(() => fired++, 60 * dayMs);
  const other = systemClock.setTimer(() => fired++, 60 * dayMs);
  vi.advanceTimersByTime(59 * dayMs);
  expect(fired).toBe(0);
  other.cancel();
  vi.advanceTimersByTime(dayMs);
  expect(fired).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});

// Node counts a timer's time in whole milliseconds of its loop's own beginning: two of three fire up to one millisecond early.
test("no timer fires before its time, by a fraction of a millisecond either", async () => {
  const timers = Array.from({ length: 300 }, async (_, index) => {
    // Spread over the loop's turns: those that are set at the same moment fire at the same moment.
    await new Promise<void>((resolve) => void systemClock.setTimer(resolve, index * 0.37));
    const delayMs = 20.9 - index / 100;
    const setAtMs = systemClock.monotonicMs();
    await new Promise<void>((resolve) => void systemClock.setTimer(resolve, delayMs));
    return systemClock.monotonicMs() - setAtMs - delayMs;
  });
  expect(Math.min(...(await Promise.all(timers)))).toBeGreaterThanOrEqual(0);
});

test("a machine that was busy while a timer was set asks for no negative time", () => {
  let nowMs = 0;
  vi.spyOn(performance, "now").mockImplementation(() => (nowMs += 20));
  const setTimeout = vi.spyOn(globalThis, "setTimeout");
  systemClock.setTimer(() => undefined, 0).cancel();
  expect(setTimeout.mock.lastCall?.[1]).toBe(0);
});

test("monotonic time does not go back", () => {
  let last = systemClock.monotonicMs();
  for (let read = 0; read < 1_000; read++) {
    const now = systemClock.monotonicMs();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
  }
});

test("the next turn comes after the microtasks, and lets what arrives in", async () => {
  const { port1, port2 } = new MessageChannel();
  const order: string[] = [];
  port2.once("message", () => order.push("arrival"));
  void Promise.resolve().then(() => order.push("microtask"));
  port1.postMessage("ready");
  // How many turns a message takes is the platform's business; without turns it never comes.
  while (order.length < 2) await systemClock.nextTurn();
  expect(order).toEqual(["microtask", "arrival"]);
  port1.close();
});
