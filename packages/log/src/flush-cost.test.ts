// What a flush is found to take, and when it pays to write one half while the other is answered.
import { seededRandom } from "@viable/kernel";
import { expect, test } from "vitest";
import { FlushCost, paysToOverlap } from "./flush-cost.ts";

function costOf(flushes: Iterable<readonly [appends: number, tookMs: number]>): FlushCost {
  const cost = new FlushCost();
  for (const [appends, tookMs] of flushes) cost.note(appends, tookMs);
  return cost;
}

const line = (fixedMs: number, perAppendMs: number, sizes: readonly number[]) =>
  sizes.map((size) => [size, fixedMs + perAppendMs * size] as const);

test("of flushes of different sizes it finds what each takes by itself and what an append takes, also where times vary", () => {
  const { fixedMs, perAppendMs } = costOf(line(2, 0.01, [1, 200, 50, 120, 300])).time;
  expect([fixedMs, perAppendMs]).toEqual([expect.closeTo(2, 6), expect.closeTo(0.01, 6)]);

  const random = seededRandom(7);
  const vary = line(
    1,
    0.02,
    Array.from({ length: 200 }, () => 1 + Math.floor(random.next() * 256)),
  ).map(([size, ms]) => [size, ms * (0.8 + 0.4 * random.next())] as const);
  const found = costOf(vary).time;
  expect(Math.abs(found.fixedMs - 1)).toBeLessThan(0.5);
  expect(Math.abs(found.perAppendMs - 0.02)).toBeLessThan(0.005);
});

test("as long as all are about as large it holds to what it found, brought to what they take now", () => {
  const cost = costOf([...line(2, 0.01, [1, 200, 50, 120, 300]), ...line(2, 0.01, Array(300).fill(100))]);
  expect(cost.time).toEqual({ fixedMs: expect.closeTo(2, 3), perAppendMs: expect.closeTo(0.01, 5) });
  // The disk has become twice as slow.
  for (let flush = 0; flush < 300; flush++) cost.note(100, 6);
  expect(cost.time).toEqual({ fixedMs: expect.closeTo(4, 2), perAppendMs: expect.closeTo(0.02, 4) });
});

test("no part of it is negative, a flush that waited for something else does not count in full, and before the first nothing is known", () => {
  const odd = costOf([
    [1, 10],
    [100, 1],
    [1, 10],
    [100, 1],
  ]);
  expect(odd.time.perAppendMs).toBeGreaterThanOrEqual(0);
  expect(odd.time.fixedMs).toBeLessThanOrEqual(odd.averageMs);
  const stalled = costOf([...line(1, 0, Array(60).fill(10)), [10, 10_000]]);
  expect(stalled.averageMs).toBeLessThan(1.3);
  expect(new FlushCost()).toMatchObject({ averageMs: 0 });
  expect(paysToOverlap(0, 0, new FlushCost().time)).toBe(false);
});

test("flushes that take no time tell nothing, and keep nothing from being found when they take some", () => {
  const zeros = line(0, 0, Array(20_000).fill(4));
  for (const before of [zeros, [...zeros, [4, 1] as const, ...zeros]]) {
    const none = costOf(before);
    expect(none.averageMs).toBeCloseTo(0, 9);
    expect(none.time).toEqual({ fixedMs: expect.closeTo(0, 9), perAppendMs: expect.closeTo(0, 9) });
    expect(paysToOverlap(3, 4, none.time)).toBe(false);
    // All of a size: what was known before anything was told, brought to what they take.
    expect(costOf([...before, ...line(2, 0.5, Array(300).fill(4))]).time).toEqual({
      fixedMs: expect.closeTo(0.8, 3),
      perAppendMs: expect.closeTo(0.8, 3),
    });
    const sizes = Array.from({ length: 300 }, (_, flush) => 1 + (flush % 7));
    expect(costOf([...before, ...line(2, 0.5, sizes)]).time).toEqual({
      fixedMs: expect.closeTo(2, 2),
      perAppendMs: expect.closeTo(0.5, 2),
    });
  }
});

test("a clock that goes by ticks of a millisecond tells on average what flushes take, though most take none by it", () => {
  let nowMs = 0;
  const cost = new FlushCost();
  for (let flush = 0; flush < 2_000; flush++) {
    const beganMs = Math.floor(nowMs);
    nowMs += 0.1;
    cost.note(10, Math.floor(nowMs) - beganMs);
  }
  expect(cost.averageMs).toBeGreaterThan(0.06);
  expect(cost.averageMs).toBeLessThan(0.14);
});

test.each([
  ["a fast disk and a busy thread", 3, { fixedMs: 0.4, perAppendMs: 0.01 }, true],
  ["a thread that has nothing to do", 0.1, { fixedMs: 0.4, perAppendMs: 0.01 }, false],
  [
    "a slow disk, on which two flushes take longer than thread and flush together",
    3,
    { fixedMs: 10, perAppendMs: 0.01 },
    false,
  ],
  ["a thread so busy that flushes hardly count", 100, { fixedMs: 0.4, perAppendMs: 0.01 }, false],
])("%s", (_, threadMs, time, pays) => {
  expect(paysToOverlap(threadMs, 256, time)).toBe(pays);
});
