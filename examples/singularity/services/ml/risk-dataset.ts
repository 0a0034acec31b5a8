/**
 * Makes examples to learn from of a history: at a cut, what was known of each file before it, and whether a commit of the window
 * after it mended a defect in the file. Nothing after the cut is in the features, and no window reaches into the one that is
 * held out.
 */
import type { Commit } from "../../source/read-history.ts";
import { type FileRecord, findMended, recordFiles } from "./file-records.ts";

const dayMs = 24 * 3_600_000;

/** What is known of a file, by name; the order is that of a row. */
export const featureNames = [
  "commits",
  "authors",
  "churnedLines",
  "ageDays",
  "daysUnchanged",
  "recentCommits",
  "recentChurnedLines",
  "lines",
  "pastFixes",
] as const;

/** A file at a cut. */
export interface RiskExample {
  readonly path: string;
  /** In the order of `featureNames`, as they are counted. */
  readonly features: readonly number[];
  /** 1 where a commit of the window after the cut mended a defect in it. */
  readonly label: 0 | 1;
}

/** Sizes have long tails: what doubles should weigh the same, wherever it begins. */
export const toRow = (features: readonly number[]): number[] => features.map((value) => Math.log1p(Math.max(0, value)));

/** The files there are after the first `cut` commits, with what is known of them by then; `window` is how far back recent reaches. */
export function describeFiles(
  commits: readonly Commit[],
  cut: number,
  window: number,
): { readonly path: string; readonly features: readonly number[] }[] {
  const now = commits[cut - 1]?.committedAt ?? 0;
  const files = [...recordFiles(commits.slice(0, cut)).values()];
  return files.map((file) => ({ path: file.path, features: measure(file, now, cut - window) }));
}

function measure(file: FileRecord, now: number, recentFrom: number): number[] {
  const recent = file.touches.filter(({ index }) => index >= recentFrom);
  return [
    file.commits,
    file.authors.size,
    file.churn,
    (now - file.firstAt) / dayMs,
    (now - file.lastAt) / dayMs,
    recent.length,
    recent.reduce((sum, each) => sum + each.churn, 0),
    file.lines,
    file.fixes,
  ];
}

/** The examples of one cut. */
export function examplesAt(commits: readonly Commit[], cut: number, window: number): RiskExample[] {
  const mended = findMended(commits.slice(cut, cut + window));
  return describeFiles(commits, cut, window).map(({ path, features }) => ({
    path,
    features,
    label: mended.has(path) ? 1 : 0,
  }));
}
