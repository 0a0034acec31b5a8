/** The trees we keep say what the library that grew them says. */
import { RandomForestClassifier, RandomForestRegression } from "ml-random-forest";
import { expect, test } from "vitest";
import { applyModel } from "./apply-model.ts";
import { fitForest, forestOptions } from "./fit-forest.ts";
import { plantRows } from "./planted-rows.ts";

test("amounts are the mean of the trees, as the library has it", () => {
  const { features, labels } = plantRows(150, 4, ([a = 0, b = 0, c = 0], chance) => a * b + c + chance());
  const library = new RandomForestRegression(forestOptions(4));
  library.train(features, labels);
  const trees = fitForest("regression", features, labels);
  const model = { kind: "regression", classes: [], parameters: { method: "forest", trees } } as const;
  const others = plantRows(50, 4, () => 0, 2).features;
  for (const [index, expected] of library.predict(others).entries()) {
    expect(applyModel(model, others[index] ?? [])).toBeCloseTo(expected, 10);
  }
  expect(JSON.stringify(trees).length).toBeLessThan(JSON.stringify(library).length / 3);
});

test("a class is the one most trees say, as the library has it", () => {
  const { features, labels } = plantRows(150, 3, ([a = 0, b = 0], chance) => Math.floor((a + b + 3 * chance()) / 8));
  const library = new RandomForestClassifier(forestOptions(3));
  library.train(features, labels);
  const trees = fitForest("classification", features, labels);
  const model = { kind: "classification", classes: [0, 1, 2], parameters: { method: "forest", trees } } as const;
  const others = plantRows(50, 3, () => 0, 2).features;
  const votes = library.predictionValues(others).to2DArray();
  for (const [index, row] of others.entries()) {
    const counts = [0, 1, 2].map((each) => votes[index]?.filter((vote) => vote === each).length ?? 0);
    expect(applyModel(model, row)).toBe(counts.indexOf(Math.max(...counts)));
  }
});
