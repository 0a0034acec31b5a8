/** What a kept model says of rows: what the law that made its training rows says of them. */
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { plantRows } from "../planted-rows.ts";
import { trainOnBench } from "../train-on-bench.ts";
import { predictor } from "./predictor.ts";

const halves = plantRows(100, 1, ([a = 0]) => (a < 5 ? "low" : "high"));
const doubles = plantRows(100, 1, ([a = 0]) => 2 * a);

followsInput(predictor, "each row by itself", async (bench) => {
  await trainOnBench(bench, { name: "halves", kind: "classification", ...halves });
  const low = await bench.run(predictor, { name: "halves", rows: [[1], [2]] });
  expect(low).toMatchObject({ version: 1, kind: "classification", predictions: ["low", "low"] });
  const mixed = await bench.run(predictor, { name: "halves", rows: [[9], [1]] });
  expect(mixed).toMatchObject({ predictions: ["high", "low"] });
  return [low, mixed];
});

test("the latest version answers unless another is asked for", async () => {
  await using bench = await openBench();
  await trainOnBench(bench, { name: "m", kind: "classification", ...halves });
  await trainOnBench(bench, { name: "m", kind: "regression", ...doubles });
  const { predictions } = await bench.run(predictor, { name: "m", rows: [[3], [100]] });
  expect((predictions as number[])[0]).toBeCloseTo(6, 2);
  expect((predictions as number[])[1]).toBeCloseTo(200, 1);
  expect(await bench.run(predictor, { name: "m", version: 1, rows: [[3]] })).toMatchObject({ predictions: ["low"] });
});

test("an unknown model is refused with the names there are, an unknown version with the versions", async () => {
  await using bench = await openBench();
  await expect(bench.run(predictor, { name: "m", rows: [[1]] })).rejects.toMatchObject({
    code: "model.not_found",
    next: "Train one first by model_training.",
  });
  await trainOnBench(bench, { name: "halves", kind: "classification", ...halves });
  await trainOnBench(bench, { name: "doubles", kind: "regression", ...doubles });
  await expect(bench.run(predictor, { name: "m", rows: [[1]] })).rejects.toMatchObject({
    next: "There are doubles, halves.",
  });
  await expect(bench.run(predictor, { name: "halves", version: 3, rows: [[1]] })).rejects.toMatchObject({
    code: "model.not_found",
    next: "There are versions 1.",
  });
});

test("a row of another width is refused with what a row is", async () => {
  await using bench = await openBench();
  await trainOnBench(bench, { name: "m", kind: "regression", ...doubles, featureNames: ["height"] });
  await expect(bench.run(predictor, { name: "m", rows: [[1], [1, 2]] })).rejects.toMatchObject({
    code: "model.wrong_features",
    message: "Row 2 has 2 values; the model was trained on 1.",
    next: "A row is: height.",
  });
});

test("another tenant has no model of that name", async () => {
  await using bench = await openBench();
  await trainOnBench(bench, { name: "m", kind: "regression", ...doubles });
  await expect(bench.run(predictor, { name: "m", rows: [[1]] }, { tenant: "other" })).rejects.toMatchObject({
    code: "model.not_found",
    next: "Train one first by model_training.",
  });
});
