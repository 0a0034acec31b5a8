import type { Label, ModelError, ModelKind } from "./model.ts";

/** The simplest answer there is: the commonest class, the first of equals, or the mean. */
export function findBaseline(kind: ModelKind, labels: readonly Label[]): Label {
  if (kind === "regression") return meanOf(labels.map(Number));
  const counts = new Map<Label, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const [[commonest] = [""]] = [...counts].sort((a, b) => b[1] - a[1]);
  return commonest;
}

/** Of equal amounts the amount itself: rounded, they would seem to vary about it. */
export const meanOf = (amounts: readonly number[]): number => {
  const [first = 0] = amounts;
  if (amounts.every((each) => each === first)) return first;
  return amounts.reduce((sum, each) => sum + each, 0) / amounts.length;
};

export const measureOf = (kind: ModelKind): ModelError["measure"] =>
  kind === "classification" ? "wrong_share" : "rmse";

/** How far answers are off: the share of wrong ones, or the root of the mean squared difference. */
export function measureError(kind: ModelKind, answers: readonly Label[], labels: readonly Label[]): number {
  const errors = answers.map((answer, index) =>
    kind === "classification" ? Number(answer !== labels[index]) : (Number(answer) - Number(labels[index])) ** 2,
  );
  const mean = errors.reduce((sum, each) => sum + each, 0) / errors.length;
  return kind === "classification" ? mean : Math.sqrt(mean);
}

export type Judgement = {
  readonly measure: ModelError["measure"];
  readonly error: number;
  /** Of amounts: the mean difference, and the share of the variance that is explained; null where the labels do not vary. */
  readonly meanDifference?: number;
  readonly explained?: number | null;
  /** Of classes: how many of each were found, and how many of those named were right; null where none was named. */
  readonly classes?: { label: Label; rows: number; recall: number; precision: number | null }[];
};

/** How good answers are, by more than one number. */
export function judgeAnswers(kind: ModelKind, answers: readonly Label[], labels: readonly Label[]): Judgement {
  const judged = { measure: measureOf(kind), error: measureError(kind, answers, labels) };
  if (kind === "classification") return { ...judged, classes: judgeClasses(answers, labels) };
  const differences = answers.map((answer, index) => Math.abs(Number(answer) - Number(labels[index])));
  const middle = meanOf(labels.map(Number));
  const spread = measureError(
    kind,
    labels.map(() => middle),
    labels,
  );
  return {
    ...judged,
    meanDifference: differences.reduce((sum, each) => sum + each, 0) / differences.length,
    explained: spread === 0 ? null : 1 - (judged.error / spread) ** 2,
  };
}

function judgeClasses(answers: readonly Label[], labels: readonly Label[]): NonNullable<Judgement["classes"]> {
  return [...new Set(labels)].map((label) => {
    const rows = labels.filter((each) => each === label).length;
    const named = answers.filter((each) => each === label).length;
    const right = answers.filter((each, index) => each === label && labels[index] === label).length;
    return { label, rows, recall: right / rows, precision: named === 0 ? null : right / named };
  });
}
