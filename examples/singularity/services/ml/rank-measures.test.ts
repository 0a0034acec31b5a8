/** The measures against what they mean: counted pair by pair, expected over all orders, and how often chance deceives. */
import { seededRandom } from "@viable/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { areaUnderCurve, chanceOfBetter, chanceOfOrder, precisionAt } from "./rank-measures.ts";

const scored = fc
  .array(fc.tuple(fc.nat(5), fc.constantFrom(0, 1)), { minLength: 2, maxLength: 30 })
  .filter((rows) => new Set(rows.map(([, label]) => label)).size === 2);

test("the area is the share of pairs in the right order, equal ones half", () => {
  fc.assert(
    fc.property(scored, (rows) => {
      const pairs = rows.flatMap(([a, yes]) => rows.flatMap(([b, no]) => (yes === 1 && no === 0 ? [[a, b]] : [])));
      const right = pairs.map(([a = 0, b = 0]) => (a > b ? 1 : a === b ? 0.5 : 0) as number);
      const expected = right.reduce((sum, each) => sum + each, 0) / pairs.length;
      expect(
        areaUnderCurve(
          rows.map(([score]) => score),
          rows.map(([, label]) => label),
        ),
      ).toBeCloseTo(expected, 10);
    }),
  );
  expect(areaUnderCurve([3, 2, 1], [1, 0, 0])).toBe(1);
  expect(areaUnderCurve([1, 1], [1, 0])).toBe(0.5);
  expect(areaUnderCurve([1, 2], [1, 1])).toBeNaN();
});

test("precision counts those above the line, and of equal ones across it what could be expected", () => {
  expect(precisionAt(2, [9, 8, 7], [1, 0, 1])).toBe(0.5);
  expect(precisionAt(2, [9, 5, 5, 5], [1, 1, 0, 0])).toBeCloseTo((1 + 1 / 3) / 2);
  expect(precisionAt(10, [1, 1], [1, 0])).toBe(0.5);
  expect(precisionAt(10, [], [])).toBeNaN();
});

/** How often two scores that know nothing seem to differ, of 400 tries of 80 rows. */
function countDeceptions(decide: (a: number[], b: number[], labels: number[]) => boolean): number {
  const random = seededRandom(11);
  const draw = () => Array.from({ length: 80 }, () => random.next());
  const tries = Array.from({ length: 400 }, () =>
    decide(
      draw(),
      draw(),
      draw().map((value) => (value < 0.25 ? 1 : 0)),
    ),
  );
  return tries.filter(Boolean).length;
}

test("chance deceives about as often as it is said to: one time in twenty", () => {
  const better = countDeceptions((a, b, labels) => chanceOfBetter(a, b, labels) <= 0.05);
  const order = countDeceptions((a, _, labels) => chanceOfOrder(a, labels) <= 0.05);
  for (const count of [better, order]) {
    expect(count).toBeGreaterThan(400 * 0.02);
    expect(count).toBeLessThan(400 * 0.09);
  }
});

test("who is clearly better is seen to be, and never who is worse or equal", () => {
  const labels = Array.from({ length: 40 }, (_, index) => (index < 10 ? 1 : 0));
  const good = labels.map((label, index) => label * 10 + (index % 3));
  const bad = labels.map((_, index) => index % 7);
  expect(chanceOfBetter(good, bad, labels)).toBeLessThan(0.001);
  expect(chanceOfBetter(bad, good, labels)).toBe(1);
  expect(chanceOfBetter(good, good, labels)).toBe(0.5);
});
