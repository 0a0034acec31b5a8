import type { Scaling } from "./scaling.ts";

/** Brings a row to the scale that a model was fitted on. A feature that never varied says nothing, and becomes 0. */
export function scaleRow({ means, deviations }: Scaling, row: readonly number[]): number[] {
  return row.map((value, index) => {
    const deviation = deviations[index] ?? 0;
    return deviation === 0 ? 0 : (value - (means[index] ?? 0)) / deviation;
  });
}

/** The weighted sum of a scaled row; the last weight stands alone. */
export function weigh(weights: readonly number[], scaled: readonly number[]): number {
  return scaled.reduce((sum, value, index) => sum + value * (weights[index] ?? 0), weights[scaled.length] ?? 0);
}

/** Between 0 and 1. */
export const toProbability = (score: number): number => 1 / (1 + Math.exp(-score));
