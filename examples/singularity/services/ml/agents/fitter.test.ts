/** What is fitted to rows whose law is known, because it made them. */
import { describe, expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { applyModel } from "../apply-model.ts";
import type { Model } from "../model.ts";
import { plantRows } from "../planted-rows.ts";
import { fitter } from "./fitter.ts";

type Fitted = Model & { tried: { method: string; error: number }[] };

async function learn(args: object): Promise<Fitted> {
  await using bench = await openBench();
  return (await bench.run(fitter, args as never)) as unknown as Fitted;
}

const xor = ([a = 0, b = 0]: number[]) => (a > 5 !== b > 5 ? "odd" : "even");

followsInput(fitter, "the weights of a law that is a sum, and decisions where no sum will do", async (bench) => {
  const sum = plantRows(100, 2, ([a = 0, b = 0]) => 3 * a - 2 * b + 1);
  const linear = await bench.run(fitter, { kind: "regression", ...sum });
  expect(linear).toMatchObject({
    parameters: { method: "linear" },
    features: ["f1", "f2"],
    rows: { fitted: 80, heldOut: 20 },
  });
  const { error } = linear as unknown as Fitted;
  expect(error.heldOut).toBeLessThan(0.01);
  expect(error.baseline).toBeGreaterThan(5);
  expect(applyModel(linear as unknown as Fitted, [1, 1])).toBeCloseTo(2, 2);

  const forest = await bench.run(fitter, { kind: "classification", ...plantRows(400, 2, xor) });
  expect(forest).toMatchObject({ parameters: { method: "forest" } });
  const model = forest as unknown as Fitted;
  expect(
    [
      [2, 2],
      [2, 8],
      [8, 2],
      [8, 8],
    ].map((row) => applyModel(model, row)),
  ).toEqual(["even", "odd", "odd", "even"]);
  expect(model.error.heldOut).toBeLessThan(0.1);
  expect(model.error.baseline).toBeGreaterThan(0.35);
  return [linear, forest];
});

describe("classes", () => {
  test("three of them, words and numbers, each found where it is", async () => {
    const rows = plantRows(200, 2, ([a = 0]) => (a < 3 ? "low" : a < 6 ? 2 : "high"));
    const model = await learn({ kind: "classification", ...rows, featureNames: ["height", "noise"] });
    expect(model.features).toEqual(["height", "noise"]);
    expect(
      [
        [1, 9],
        [4.5, 1],
        [9, 5],
      ].map((row) => applyModel(model, row)),
    ).toEqual(["low", 2, "high"]);
  });

  test("labels that follow from nothing are not better told than by the commonest", async () => {
    const rows = plantRows(200, 3, (_, chance) => (chance() < 0.75 ? "yes" : "no"));
    const { error, baseline } = await learn({ kind: "classification", ...rows });
    expect(baseline).toBe("yes");
    expect(error.heldOut).toBeGreaterThanOrEqual(error.baseline);
  });
});

test("rows in order of time are judged by the last, which may be of another law", async () => {
  const rows = plantRows(100, 1, ([a = 0]) => a);
  const labels = rows.labels.map((label, index) => (index < 80 ? label : label + 100));
  const shuffled = await learn({ kind: "regression", features: rows.features, labels });
  const ordered = await learn({ kind: "regression", features: rows.features, labels, ordered: true });
  expect(ordered.error.heldOut).toBeGreaterThan(99);
  expect(shuffled.error.heldOut).toBeLessThan(60);
});

test("a feature that never varies, one of its kind alone, and the same rows again", async () => {
  const rows = plantRows(60, 1, ([a = 0]) => 2 * a);
  const constant = rows.features.map(([a = 0]) => [7, a]);
  const model = await learn({ kind: "regression", features: constant, labels: rows.labels });
  expect(applyModel(model, [7, 3])).toBeCloseTo(6, 2);
  // The mean of sixty times 3.3 is not 3.3.
  const tenths = rows.features.map(([a = 0]) => [3.3, a]);
  const rounded = await learn({ kind: "regression", features: tenths, labels: rows.labels });
  expect(applyModel(rounded, [1e6, 3])).toBeCloseTo(6, 2);
  const args = { kind: "classification", ...plantRows(60, 1, ([a = 0]) => Math.floor(a / 4)) };
  expect(await learn(args)).toEqual(await learn(args));
});

test("rows that teach nothing are refused with the reason", async () => {
  const rows = plantRows(60, 2, ([a = 0]) => a);
  const { features, labels } = rows;
  const refused = (args: object) => expect(learn(args)).rejects;
  await refused({ kind: "regression", features: features.slice(0, 29), labels: labels.slice(0, 29) }).toMatchObject({
    code: "training.few_rows",
  });
  await refused({ kind: "regression", features, labels: labels.slice(1) }).toMatchObject({ code: "rows.labels" });
  await refused({ kind: "regression", features, labels, featureNames: ["a", "b", "c"] }).toMatchObject({
    code: "rows.names",
    message: "There are 2 features and 3 names of features.",
  });
  await refused({ kind: "regression", features, labels: labels.map(String) }).toMatchObject({
    code: "rows.not_amounts",
  });
  await refused({ kind: "regression", features: [...features.slice(1), [1]], labels }).toMatchObject({
    code: "rows.uneven",
    message: "Row 60 has 1 values and the first has 2.",
  });
  await refused({ kind: "classification", features, labels: labels.map(() => "a") }).toMatchObject({
    code: "training.one_class",
  });
  await refused({ kind: "classification", features, labels }).toMatchObject({ code: "training.many_classes" });
});
