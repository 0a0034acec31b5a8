import { scaleRow, weigh } from "./apply-linear.ts";
import type { Label, Model, Parameters, Tree } from "./model.ts";

/** What a model says of a row with as many values as it has features. */
export function applyModel(
  { parameters, classes, kind }: Pick<Model, "parameters" | "classes" | "kind">,
  row: readonly number[],
): Label {
  return kind === "regression"
    ? findAmount(parameters, row)
    : (classes[findClass(parameters, row, classes.length)] ?? "");
}

function findAmount(parameters: Parameters, row: readonly number[]): number {
  if (parameters.method === "linear") return weigh(parameters.weights[0] ?? [], scaleRow(parameters.scaling, row));
  return parameters.trees.reduce((sum, tree) => sum + follow(tree, row), 0) / parameters.trees.length;
}

/** The class with the greatest weight or the most trees; the first of equals. */
function findClass(parameters: Parameters, row: readonly number[], classes: number): number {
  if (parameters.method === "linear") {
    const scaled = scaleRow(parameters.scaling, row);
    return indexOfMax(parameters.weights.map((weights) => weigh(weights, scaled)));
  }
  const votes = new Array<number>(classes).fill(0);
  for (const tree of parameters.trees) {
    const answer = follow(tree, row);
    votes[answer] = (votes[answer] ?? 0) + 1;
  }
  return indexOfMax(votes);
}

function follow(tree: Tree, row: readonly number[]): number {
  let node = tree;
  while (!("answer" in node)) node = (row[node.feature] ?? 0) < node.value ? node.left : node.right;
  return node.answer;
}

const indexOfMax = (values: readonly number[]): number =>
  values.reduce((best, value, index) => (value > (values[best] ?? Number.NEGATIVE_INFINITY) ? index : best), 0);
