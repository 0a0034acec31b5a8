import { mean, standardDeviation } from "simple-statistics";

/** How each feature is brought to mean 0 and deviation 1: by the rows that were learnt from, and by no others. */
export type Scaling = { readonly means: readonly number[]; readonly deviations: readonly number[] };

/** Measures the columns of rows that are all equally long. */
export function fitScaling(rows: readonly (readonly number[])[]): Scaling {
  const columns = (rows[0] ?? []).map((_, column) => rows.map((row) => row[column] ?? 0));
  return { means: columns.map(mean), deviations: columns.map(standardDeviation) };
}
