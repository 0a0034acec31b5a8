/**
 * Fits a model to rows. Two ways are tried, weights and a forest of decisions; which of them, is decided on rows that neither was
 * fitted to, and how good it is, on rows that the decision has not seen either. The one that is kept is the one so measured.
 */
import { seededRandom } from "@viable/kernel";
import { ViableError } from "viable";
import { scaleRow } from "./apply-linear.ts";
import { applyModel } from "./apply-model.ts";
import { fitForest, maxForestRows } from "./fit-forest.ts";
import { fitLogistic } from "./fit-logistic.ts";
import { fitRidge } from "./fit-ridge.ts";
import { findBaseline, measureError, measureOf } from "./judge-model.ts";
import type { Label, Model, ModelKind, Parameters } from "./model.ts";
import { fitScaling } from "./scaling.ts";

export interface TrainingRows {
  readonly kind: ModelKind;
  readonly features: readonly (readonly number[])[];
  readonly labels: readonly Label[];
  readonly featureNames: readonly string[];
  /** Whether rows follow each other in time: then the last are held out, else any. */
  readonly ordered: boolean;
}

/** Fewer rows leave too few to judge by. */
const minRows = 30;
/** A fifth decides between the methods, a fifth judges. */
const share = 0.2;
/** More classes than this are names and not classes. */
const maxClasses = 20;
/** The same rows are divided in the same way. */
const seed = 1;

interface Part {
  readonly rows: readonly (readonly number[])[];
  readonly labels: readonly Label[];
}

/** Fits, chooses and measures. Throws `training.few_rows`, `training.one_class`, `training.many_classes` where rows cannot teach. */
export function fitModel(
  given: TrainingRows,
  signal: AbortSignal,
): Model & { tried: { method: string; error: number }[] } {
  const { kind, featureNames } = given;
  if (given.features.length < minRows) {
    throw new ViableError("training.few_rows", `${given.features.length} rows are too few to learn from.`, {
      next: `Give ${minRows} at least: a fifth of them is held out to judge by.`,
    });
  }
  const { fit, choose, judge } = divide(given);
  const tried = (["linear", "forest"] as const).map((method) => {
    const model = fitBy(method, kind, fit, signal);
    return { method, error: errorOf(model, choose) };
  });
  const [first, second] = tried;
  const method = second !== undefined && first !== undefined && second.error < first.error ? second.method : "linear";

  const whole: Part = { rows: [...fit.rows, ...choose.rows], labels: [...fit.labels, ...choose.labels] };
  const model = fitBy(method, kind, whole, signal);
  const baseline = findBaseline(kind, whole.labels);
  return {
    ...model,
    features: featureNames,
    baseline,
    rows: { fitted: whole.rows.length, heldOut: judge.rows.length },
    error: {
      measure: measureOf(kind),
      heldOut: errorOf(model, judge),
      baseline: measureError(
        kind,
        judge.labels.map(() => baseline),
        judge.labels,
      ),
    },
    tried,
  };
}

function divide({ features, labels, ordered }: TrainingRows): { fit: Part; choose: Part; judge: Part } {
  const order = features.map((_, index) => index);
  if (!ordered) shuffle(order);
  const size = Math.floor(features.length * share);
  const [chooseAt, judgeAt] = [features.length - 2 * size, features.length - size];
  const part = (from: number, to: number): Part => {
    const indexes = order.slice(from, to);
    return { rows: indexes.map((index) => features[index] ?? []), labels: indexes.map((index) => labels[index] ?? 0) };
  };
  return { fit: part(0, chooseAt), choose: part(chooseAt, judgeAt), judge: part(judgeAt, features.length) };
}

function shuffle(list: number[]): void {
  const random = seededRandom(seed);
  for (let left = list.length; left > 1; left--) {
    const other = Math.floor(random.next() * left);
    [list[left - 1], list[other]] = [list[other] as number, list[left - 1] as number];
  }
}

type Fitted = Pick<Model, "kind" | "classes" | "parameters">;

const errorOf = (model: Fitted, { rows, labels }: Part): number =>
  measureError(
    model.kind,
    rows.map((row) => applyModel(model, row)),
    labels,
  );

function fitBy(method: Parameters["method"], kind: ModelKind, { rows, labels }: Part, signal: AbortSignal): Fitted {
  signal.throwIfAborted();
  const classes = kind === "regression" ? [] : findClasses(labels);
  const numbers = kind === "regression" ? labels.map(Number) : labels.map((label) => classes.indexOf(label));
  if (method === "forest") {
    // Of rows in order of time the latest say most; of the others any do.
    const trees = fitForest(kind, rows.slice(-maxForestRows), numbers.slice(-maxForestRows));
    return { kind, classes, parameters: { method, trees } };
  }
  const scaling = fitScaling(rows);
  const scaled = rows.map((row) => scaleRow(scaling, row));
  const weights = kind === "regression" ? [fitRidge(scaled, numbers)] : fitLogistic(scaled, numbers, signal);
  return { kind, classes, parameters: { method, scaling, weights } };
}

function findClasses(labels: readonly Label[]): Label[] {
  const classes = [...new Set(labels)];
  if (classes.length < 2) {
    throw new ViableError("training.one_class", "All rows to learn from are of one class.", {
      next: "Give rows of each class; with `ordered`, of each before the last fifths.",
    });
  }
  if (classes.length > maxClasses) {
    throw new ViableError("training.many_classes", `${classes.length} classes are more than ${maxClasses}.`, {
      next: "Put classes together, or ask for a regression.",
    });
  }
  return classes;
}
