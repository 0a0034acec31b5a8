import { mean, standardDeviation } from "simple-statistics";

/** How each feature is brought to mean 0 and deviation 1: by the rows that were learnt from, and by no others. */
export type Scaling = { readonly means: readonly number[]; readonly deviations: readonly number[] };

/** Measures the columns of rows that are all equally long. */
export function fitScaling(rows: readonly (readonly number[])[]): Scaling {
  const columns = (rows[0] ?? []).map((_, column) => rows.map((row) => row[column] ?? 0));
  // The mean of equal values may be rounded, and then they seem to deviate: by nothing that another row could be measured in.
  const isConstant = (column: readonly number[]): boolean => column.every((value) => value === column[0]);
  return {
    means: columns.map(mean),
    deviations: columns.map((column) => (isConstant(column) ? 0 : standardDeviation(column))),
  };
}
