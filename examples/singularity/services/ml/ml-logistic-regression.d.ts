/** What is used of a package that has no types of its own. */
declare module "ml-logistic-regression" {
  import type { Matrix } from "ml-matrix";

  export default class LogisticRegression {
    constructor(options: { readonly numSteps: number; readonly learningRate: number });
    /** One for each class, trained to tell that a row is not of it. */
    readonly classifiers: readonly { readonly weights: Matrix }[];
    train(features: Matrix, labels: Matrix): void;
  }
}
