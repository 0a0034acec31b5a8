// That nothing of a process reaches the store that it shares, and no answer reaches it, unless it runs: by whichever way it asks.
import { seededRandom, simulateTime } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createMemoryStore } from "@viable/log";
import { expect, test } from "vitest";
import { ProcessClock } from "./process-clock.ts";
import { processStore } from "./process-store.ts";
import { watch } from "./settled.ts";

/** Not what a process asks while it works: how it lets go of the store, and what operators ask of it. */
const others = ["close", "explain", "restore", "snapshot"];

function world() {
  const time = simulateTime({ random: seededRandom(1) });
  const clock = new ProcessClock(time);
  const store = createMemoryStore();
  let reached = 0;
  const noted: Store = {
    ...store,
    readStreams: (...args) => {
      reached += 1;
      return store.readStreams(...args);
    },
  };
  const linked = processStore(noted, clock, { commit: store.commit });
  const load = () => linked.readStreams([{ stream: "s", fromVersion: 1 }], { events: 1, bytes: 1_000 });
  return { time, clock, load, reached: () => reached };
}

test("every call of the port that a process makes goes that way", () => {
  const store = createMemoryStore();
  const linked = processStore(store, new ProcessClock(simulateTime()), { commit: store.commit });
  const past = Object.entries(store)
    .filter(([name, each]) => typeof each === "function" && linked[name as keyof Store] === each)
    .map(([name]) => name);
  expect(past.sort()).toEqual(others);
});

test("paused, it asks nothing and hears nothing until it is resumed", async () => {
  const { time, clock, load, reached } = world();
  clock.pause();
  const isSettled = watch(load());
  await time.settle();
  expect([reached(), isSettled()]).toEqual([0, false]);
  await clock.resume();
  await time.settle();
  expect([reached(), isSettled()]).toEqual([1, true]);
});

test("dead, it loads no run any more", async () => {
  const { time, clock, load, reached } = world();
  clock.die();
  const isSettled = watch(load());
  await time.settle();
  expect([reached(), isSettled()]).toEqual([0, false]);
});

test("what was on its way when it died is not answered", async () => {
  const { time, clock, load, reached } = world();
  const isSettled = watch(load());
  await Promise.resolve();
  clock.die();
  await time.settle();
  expect([reached(), isSettled()]).toEqual([1, false]);
});
