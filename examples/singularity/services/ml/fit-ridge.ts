import { Matrix, solve } from "ml-matrix";
import { meanOf } from "./judge-model.ts";

/** Holds back weights of features that say the same, so that there is one answer; too little to move any other. */
const ridge = 1e-6;

/** Fits amounts by least squares to scaled rows. Answers the weights, the last one alone. */
export function fitRidge(rows: readonly (readonly number[])[], amounts: readonly number[]): number[] {
  const features = new Matrix(rows.map((row) => [...row]));
  const middle = meanOf(amounts);
  const transposed = features.transpose();
  const squares = transposed.mmul(features).add(Matrix.eye(features.columns).mul(ridge * features.rows));
  const products = transposed.mmul(Matrix.columnVector(amounts.map((amount) => amount - middle)));
  return [...solve(squares, products).to1DArray(), middle];
}
