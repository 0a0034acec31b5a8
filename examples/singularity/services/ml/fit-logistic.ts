import LogisticRegression from "ml-logistic-regression";
import { Matrix } from "ml-matrix";
import { toProbability, weigh } from "./apply-linear.ts";

/** Steps down the gradient. Enough to order rows; to stop before the end also keeps weights small where a feature gives all away. */
const steps = 500;
/** How far the weight that stands alone may be from where it belongs: with a chance of e to the minus that nobody reckons. */
const maxShift = 50;
/** Each halves what it is unsure of: after these it is a matter of billionths. */
const halvings = 40;

/**
 * Fits a logistic regression of one class against the others, for each class, to scaled rows. Labels are 0, 1, … and each of
 * them is there. Answers the weights of each class, the last one alone: the greatest weighted sum is the class.
 *
 * Throws the signal's reason when aborted before it begins; the fit itself is not interrupted.
 */
export function fitLogistic(
  rows: readonly (readonly number[])[],
  labels: readonly number[],
  signal: AbortSignal,
): number[][] {
  signal.throwIfAborted();
  const features = new Matrix(rows.map((row) => [...row, 1]));
  // A step no longer than the steepest slope allows: for columns of deviation 1 it cannot overshoot.
  const learningRate = 4 / (features.rows * features.columns);
  const model = new LogisticRegression({ numSteps: steps, learningRate });
  model.train(features, Matrix.columnVector([...labels]));
  // The library learns for each class the chance that a row is not of it.
  return model.classifiers.map(({ weights }, index) => {
    const ofClass = weights.to1DArray().map((weight) => -weight);
    return expectAsMany(ofClass, rows, labels.filter((label) => label === index).length);
  });
}

/**
 * Shifts the weight that stands alone until as many rows are expected to be of the class as are. Where few are, the descent has not
 * come so far, and would take each for some times as likely as it is.
 */
function expectAsMany(weights: readonly number[], rows: readonly (readonly number[])[], count: number): number[] {
  const scores = rows.map((row) => weigh(weights, row));
  let [low, high] = [-maxShift, maxShift];
  for (let halving = 0; halving < halvings; halving++) {
    const middle = (low + high) / 2;
    const expected = scores.reduce((sum, score) => sum + toProbability(score + middle), 0);
    if (expected < count) low = middle;
    else high = middle;
  }
  return weights.map((weight, index) => (index === weights.length - 1 ? weight + (low + high) / 2 : weight));
}
