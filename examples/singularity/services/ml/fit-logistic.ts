import LogisticRegression from "ml-logistic-regression";
import { Matrix } from "ml-matrix";

/** Steps down the gradient. Enough to order rows; to stop before the end also keeps weights small where a feature gives all away. */
const steps = 500;

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
  return model.classifiers.map(({ weights }) => weights.to1DArray().map((weight) => -weight));
}
