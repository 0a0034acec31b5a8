// When somebody counts as standing still, to the millisecond, in simulated time.
import { simulateTime } from "@viable/kernel";
import { expect, test } from "vitest";
import { watchStandstill } from "./watch-standstill.ts";

function setup() {
  const time = simulateTime();
  const told: number[] = [];
  const watch = watchStandstill(time, { everyMs: 1_000, maxMs: 3_000 }, (silentMs) => told.push(silentMs));
  return { time, told, watch };
}

test("who says nothing for longer than he may is told of, once", async () => {
  const { time, told } = setup();
  await time.advance(3_999);
  expect(told).toEqual([]);
  await time.advance(60_000);
  expect(told).toEqual([4_000]);
});

test("who is heard of in time never is", async () => {
  const { time, told, watch } = setup();
  for (let second = 0; second < 60; second += 3) {
    await time.advance(3_000);
    watch.heard();
  }
  expect(told).toEqual([]);
});

test("when the watch has ended nobody is", async () => {
  const { time, told, watch } = setup();
  await time.advance(3_500);
  watch.end();
  await time.advance(60_000);
  expect(told).toEqual([]);
});
