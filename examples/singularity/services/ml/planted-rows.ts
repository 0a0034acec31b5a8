import { seededRandom } from "@viable/kernel";

export interface PlantedRows<L> {
  readonly features: number[][];
  readonly labels: L[];
}

/** Rows of numbers from 0 to 10 with labels that follow from them, the same in each run. */
export function plantRows<L>(
  count: number,
  width: number,
  toLabel: (row: number[], chance: () => number) => L,
  seed = 1,
): PlantedRows<L> {
  const random = seededRandom(seed);
  const features = Array.from({ length: count }, () => Array.from({ length: width }, () => random.next() * 10));
  return { features, labels: features.map((row) => toLabel(row, () => random.next())) };
}
