/** How well scores put what happened before what did not, and whether one set of scores does it better than another or than chance. */
import { errorFunction } from "simple-statistics";

/**
 * The chance that a score of something that happened is above one of something that did not (area under the ROC curve): 1 is a
 * perfect order, 0.5 none. NaN where everything or nothing happened.
 */
export function areaUnderCurve(scores: readonly number[], labels: readonly number[]): number {
  return place(scores, labels).area;
}

/**
 * The chance that a difference as large as that between the areas of two sets of scores, in favour of the first, comes about
 * without one being better, over the same labels (DeLong, DeLong and Clarke-Pearson 1988, one-sided).
 */
export function chanceOfBetter(first: readonly number[], second: readonly number[], labels: readonly number[]): number {
  const [a, b] = [place(first, labels), place(second, labels)];
  const differences = (which: "happened" | "not") => a[which].map((value, index) => value - (b[which][index] ?? 0));
  const variance = varianceOfMean(differences("happened")) + varianceOfMean(differences("not"));
  return chanceAbove(a.area - b.area, variance);
}

/** The chance that an area as large comes about where scores say nothing. */
export function chanceOfOrder(scores: readonly number[], labels: readonly number[]): number {
  const { area, happened, not } = place(scores, labels);
  return chanceAbove(area - 0.5, varianceOfMean(happened) + varianceOfMean(not));
}

function chanceAbove(difference: number, variance: number): number {
  if (difference <= 0) return difference === 0 ? 0.5 : 1;
  return 0.5 - 0.5 * errorFunction(difference / Math.sqrt(2 * variance));
}

/**
 * How many of the `count` with the highest scores happened, as a share. Where equal scores stand across the line, what could be
 * expected of taking any of them.
 */
export function precisionAt(count: number, scores: readonly number[], labels: readonly number[]): number {
  const taken = Math.min(count, scores.length);
  const ordered = scores
    .map((score, index) => ({ score, label: labels[index] ?? 0 }))
    .sort((a, b) => b.score - a.score);
  const line = ordered[taken - 1]?.score;
  if (line === undefined) return Number.NaN;
  const above = ordered.filter(({ score }) => score > line);
  const equal = ordered.filter(({ score }) => score === line);
  const happened = (list: typeof ordered) => list.reduce((sum, { label }) => sum + label, 0);
  return (happened(above) + (happened(equal) * (taken - above.length)) / equal.length) / taken;
}

/** Of each that happened the share of the others it is above, of each other the share it is below; their mean is the area. */
function place(
  scores: readonly number[],
  labels: readonly number[],
): { readonly area: number; readonly happened: number[]; readonly not: number[] } {
  const [yes, no] = [
    scores.filter((_, index) => labels[index] === 1),
    scores.filter((_, index) => labels[index] !== 1),
  ];
  const sorted = { yes: [...yes].sort((a, b) => a - b), no: [...no].sort((a, b) => a - b) };
  const happened = yes.map((score) => share(sorted.no, score));
  const not = no.map((score) => 1 - share(sorted.yes, score));
  return { area: meanOf(happened), happened, not };
}

/** Which share of sorted values lies below one; equal ones count half. */
function share(sorted: readonly number[], value: number): number {
  const below = countBelow(sorted, (each) => each < value);
  const upTo = countBelow(sorted, (each) => each <= value);
  return (below + upTo) / 2 / sorted.length;
}

function countBelow(sorted: readonly number[], isBelow: (value: number) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBelow(sorted[middle] ?? Number.POSITIVE_INFINITY)) low = middle + 1;
    else high = middle;
  }
  return low;
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Of one value alone nothing is known of how it varies. */
function varianceOfMean(values: readonly number[]): number {
  if (values.length < 2) return Number.POSITIVE_INFINITY;
  const mean = meanOf(values);
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) / values.length;
}
