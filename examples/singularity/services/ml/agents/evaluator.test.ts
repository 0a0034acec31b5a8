/** Measures of a kept model against what is counted by hand on the same rows. */
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { plantRows } from "../planted-rows.ts";
import { trainOnBench } from "../train-on-bench.ts";
import { evaluator } from "./evaluator.ts";

const halves = plantRows(100, 1, ([a = 0]) => (a < 6 ? "low" : "high"));
const doubles = plantRows(100, 1, ([a = 0]) => 2 * a);

followsInput(evaluator, "right labels and wrong ones, beside always saying the commonest", async (bench) => {
  await trainOnBench(bench, { name: "halves", kind: "classification", ...halves });
  const rows = [[1], [2], [9], [8]];
  const right = await bench.run(evaluator, { name: "halves", rows, labels: ["low", "low", "high", "high"] });
  expect(right).toMatchObject({
    version: 1,
    rows: 4,
    model: {
      measure: "wrong_share",
      error: 0,
      classes: [
        { label: "low", rows: 2, recall: 1, precision: 1 },
        { label: "high", rows: 2, recall: 1, precision: 1 },
      ],
    },
    baseline: { answer: "low", error: 0.5 },
    isBetterThanBaseline: true,
    unknownLabels: 0,
  });
  const wrong = await bench.run(evaluator, { name: "halves", rows, labels: ["low", "high", "low", "middle"] });
  expect(wrong).toMatchObject({
    model: {
      error: 0.75,
      classes: [
        { label: "low", rows: 2, recall: 0.5, precision: 0.5 },
        { label: "high", rows: 1, recall: 0, precision: 0 },
        { label: "middle", rows: 1, recall: 0, precision: null },
      ],
    },
    baseline: { error: 0.5 },
    isBetterThanBaseline: false,
    unknownLabels: 1,
  });
  return [right, wrong];
});

test("amounts by how far off they are, and how much of what varies is explained", async () => {
  await using bench = await openBench();
  await trainOnBench(bench, { name: "doubles", kind: "regression", ...doubles });
  const result = await bench.run(evaluator, { name: "doubles", rows: [[1], [2], [3]], labels: [2, 4, 9] });
  const { error, meanDifference, explained } = result.model as { [measure: string]: number };
  expect(error).toBeCloseTo(Math.sqrt(9 / 3), 2);
  expect(meanDifference).toBeCloseTo(1, 2);
  // The labels' mean is 5: they are off it by 9, 1 and 16.
  expect(explained).toBeCloseTo(1 - 9 / 26, 2);
  const same = await bench.run(evaluator, { name: "doubles", rows: [[1], [2]], labels: [4, 4] });
  expect(same).toMatchObject({ model: { explained: null } });
  // The mean of three times 3.3 is not 3.3.
  const rounded = await bench.run(evaluator, { name: "doubles", rows: [[1], [2], [3]], labels: [3.3, 3.3, 3.3] });
  expect(rounded).toMatchObject({ model: { explained: null } });
});

test("a model that is not there, rows of another width, labels of another kind or number", async () => {
  await using bench = await openBench();
  const judge = (args: object) => expect(bench.run(evaluator, { name: "doubles", ...args } as never)).rejects;
  await judge({ rows: [[1]], labels: [1] }).toMatchObject({ code: "model.not_found" });
  await trainOnBench(bench, { name: "doubles", kind: "regression", ...doubles });
  await judge({ rows: [[1, 2]], labels: [1] }).toMatchObject({ code: "model.wrong_features" });
  await judge({ rows: [[1]], labels: ["low"] }).toMatchObject({ code: "rows.not_amounts" });
  await judge({ rows: [[1]], labels: [1, 2] }).toMatchObject({ code: "rows.labels" });
});
