/** What a swarm says of its own health, in simulated time. */
import { simulateTime } from "@viable/kernel";
import { expect, test } from "vitest";
import { HealthMonitor } from "./health-monitor.ts";

const pool = { workers: 3, queued: 0, maxQueued: 10 };
const mostFailed = ["20 of the last 20 tasks failed"];

test("failures count for five minutes: a swarm that is sent nothing is well again then", async () => {
  const time = simulateTime();
  const health = new HealthMonitor(time);
  for (let task = 0; task < 20; task++) health.record(false, 10);
  expect(health.reasons(pool)).toEqual(mostFailed);
  await time.advance(5 * 60_000 - 1);
  expect(health.reasons(pool)).toEqual(mostFailed);
  await time.advance(1);
  expect(health.reasons(pool)).toEqual([]);
  // The counts stay what they were: only what is said of now ages.
  expect(health.measure({ workers: 3, running: 0, queued: 0 })).toMatchObject({ failed: 20 });
});

test("most of the last twenty failed: that is said; half of them, or fewer than twenty in all, is not", () => {
  const health = new HealthMonitor(simulateTime());
  for (let task = 0; task < 10; task++) health.record(false, 10);
  expect(health.reasons(pool)).toEqual([]);
  for (let task = 0; task < 10; task++) health.record(true, 10);
  expect(health.reasons(pool)).toEqual([]);
  for (let task = 0; task < 20; task++) health.record(false, 10);
  expect(health.reasons(pool)).toEqual(mostFailed);
});

test("no worker and a queue that is nearly full are said", () => {
  const health = new HealthMonitor(simulateTime());
  expect(health.reasons({ workers: 0, queued: 9, maxQueued: 10 })).toEqual([
    "no worker is running",
    "the queue is 9 of 10",
  ]);
});
