import { RandomForestClassifier, RandomForestRegression } from "ml-random-forest";
import type { ModelKind, Tree } from "./model.ts";

/** More trees change answers little and fill the memory of a model. */
const trees = 25;
/** Deeper trees learn single rows by heart. */
const maxDepth = 6;
const minRowsToSplit = 5;
/** The part of the features that each tree sees, so that trees differ. */
const featureShare = 0.8;
/** The same rows give the same forest. */
const seed = 7;

/** Rows a forest learns from: its time grows with their square, and these take a second or two. */
export const maxForestRows = 500;

/** How the library grows a forest for rows of this many features. */
export const forestOptions = (features: number) => ({
  nEstimators: trees,
  seed,
  // As a number of features: a share of few would be none.
  maxFeatures: Math.ceil(featureShare * features),
  replacement: false,
  useSampleBagging: true,
  noOOB: true,
  treeOptions: { maxDepth, minNumSamples: minRowsToSplit },
});

/** Fits a forest of decision trees. Labels are amounts, or the indexes 0, 1, … of classes. */
export function fitForest(kind: ModelKind, rows: readonly (readonly number[])[], labels: readonly number[]): Tree[] {
  const options = forestOptions(rows[0]?.length ?? 1);
  const forest = kind === "regression" ? new RandomForestRegression(options) : new RandomForestClassifier(options);
  forest.train(
    rows.map((row) => [...row]),
    [...labels],
  );
  // As the library writes it down, each node repeats the options: ten times the size.
  const { baseModel } = JSON.parse(JSON.stringify(forest)) as WrittenForest;
  return baseModel.estimators.map(({ root }, index) => toTree(root, baseModel.indexes[index] ?? []));
}

interface WrittenForest {
  readonly baseModel: {
    readonly estimators: readonly { readonly root: WrittenNode }[];
    /** Which features each tree sees. */
    readonly indexes: readonly (readonly number[])[];
  };
}

interface WrittenNode {
  /** The mean of a leaf, or the share of each class in it. */
  readonly distribution?: number | readonly [readonly number[]];
  readonly splitColumn?: number;
  readonly splitValue?: number;
  readonly left?: WrittenNode;
  readonly right?: WrittenNode;
}

function toTree(
  { distribution, splitColumn, splitValue, left, right }: WrittenNode,
  features: readonly number[],
): Tree {
  if (left === undefined || right === undefined || splitColumn === undefined || splitValue === undefined) {
    if (typeof distribution === "number") return { answer: distribution };
    const shares = distribution?.[0] ?? [];
    return { answer: shares.indexOf(Math.max(...shares)) };
  }
  return {
    feature: features[splitColumn] ?? splitColumn,
    value: splitValue,
    left: toTree(left, features),
    right: toTree(right, features),
  };
}
