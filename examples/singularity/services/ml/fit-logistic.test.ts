/** A chance that is told means: of as many rows as it is told of, so many are of the class. */
import { expect, test } from "vitest";
import { scaleRow, toProbability, weigh } from "./apply-linear.ts";
import { fitLogistic } from "./fit-logistic.ts";
import { plantRows } from "./planted-rows.ts";
import { fitScaling } from "./scaling.ts";

test.for([0.5, 0.01])("of a share of %d as many are expected as there are, and more where it follows", (rate) => {
  const law = ([a = 0]: number[], chance: () => number) => (chance() < (rate * a) / 5 ? 1 : 0);
  const { features, labels } = plantRows(2_000, 6, law);
  const scaling = fitScaling(features);
  const rows = features.map((row) => scaleRow(scaling, row));
  const [, weights = []] = fitLogistic(rows, labels, new AbortController().signal);
  const chances = rows.map((row) => toProbability(weigh(weights, row)));
  const sum = (list: readonly number[]) => list.reduce((total, each) => total + each, 0);
  expect(sum(chances)).toBeCloseTo(sum(labels), 3);
  const of = (from: number) => sum(chances.filter((_, index) => Math.floor((features[index]?.[0] ?? 0) / 5) === from));
  expect(of(1)).toBeGreaterThan(1.5 * of(0));
});
