import { ViableError } from "viable";
import { z } from "zod";
import type { Label, ModelKind } from "./model.ts";

/** Wide enough for anything counted, and its square is still a number. */
const maxSize = 1e12;
/** A row of more features is better put together before. */
export const maxFeatures = 50;
/** What a fit of fifty features works through in some seconds, or in a minute or two where there are twenty classes. */
export const maxTrainingRows = 5_000;
/** What is worked through in some milliseconds, beside other tasks. */
export const maxRows = 1_000;

export const amount = z.number().min(-maxSize).max(maxSize);

const row = z.array(amount).min(1).max(maxFeatures);
const label = z.union([amount, z.string().min(1).max(100)]);

export const rowsInput = (max: number) =>
  z.array(row).min(1).max(max).describe("Rows of numbers, all equally long: [[1,2],[3,4]]");
export const labelsInput = (max: number) =>
  z.array(label).min(1).max(max).describe("For each row its class (a word or number) or its amount (a number)");

export const modelName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]*$/i, "starts with a letter or digit and has only those and . _ -")
  .max(100);

/** Refuses rows and labels that do not belong together: `rows.uneven`, `rows.labels` or `rows.not_amounts`. */
export function checkRows(kind: ModelKind, rows: readonly (readonly number[])[], labels: readonly Label[]): void {
  const [first = []] = rows;
  const uneven = rows.findIndex((each) => each.length !== first.length);
  if (uneven !== -1) {
    throw new ViableError(
      "rows.uneven",
      `Row ${uneven + 1} has ${rows[uneven]?.length} values and the first has ${first.length}.`,
      { next: "Give each row a value for each feature." },
    );
  }
  if (labels.length !== rows.length) {
    throw new ViableError("rows.labels", `There are ${rows.length} rows and ${labels.length} labels.`, {
      next: "Give one label for each row.",
    });
  }
  if (kind === "regression" && labels.some((each) => typeof each !== "number")) {
    throw new ViableError("rows.not_amounts", "A regression learns amounts, and some labels are words.", {
      next: "Give numbers, or ask for a classification.",
    });
  }
}

/** Refuses names that are not one for each feature: `rows.names`. */
export function checkNames(names: readonly string[] | undefined, [first = []]: readonly (readonly number[])[]): void {
  if (names === undefined || names.length === first.length) return;
  throw new ViableError("rows.names", `There are ${first.length} features and ${names.length} names of features.`, {
    next: "Give one name for each feature, or none.",
  });
}
