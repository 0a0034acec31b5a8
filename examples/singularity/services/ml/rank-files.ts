/**
 * Ranks files by the risk that one of the next commits mends a defect in them. A model learns from earlier windows of the history
 * and is tried on the latest, which it has not seen; beside it stands the simplest ranking there is, by the number of past
 * commits. Only where the model is better beyond what chance would do does it rank; then it learns the latest window too.
 */
import { byText } from "../../source/by-text.ts";
import { cutList, type Truncated } from "../../source/cut-list.ts";
import { isDeclaration, isTest, languageOf } from "../../source/languages.ts";
import type { Commit, FileChange, History } from "../../source/read-history.ts";
import { scaleRow, toProbability, weigh } from "./apply-linear.ts";
import { isLarge } from "./file-records.ts";
import { fitLogistic } from "./fit-logistic.ts";
import { isFix } from "./fix-commits.ts";
import { areaUnderCurve, chanceOfBetter, chanceOfOrder, precisionAt } from "./rank-measures.ts";
import { describeFiles, examplesAt, featureNames, type RiskExample, toRow } from "./risk-dataset.ts";
import { fitScaling, type Scaling } from "./scaling.ts";

/** Fewer commits give windows in which nothing happens. */
const minCommits = 60;
/** Fewer mended defects show no pattern. */
const minFixes = 15;
/** Files of either kind, mended and not, that a part of the examples must have to be learnt from or judged by. */
const minOfEach = 5;
/** The window is a fifth of the history, but no more commits than a team makes in some weeks: what comes later is another story. */
const maxWindow = 200;
/** Earlier windows that are learnt from. */
const maxTrainingWindows = 4;
/** Rows learnt from: some seconds of computing. The latest windows come first. */
const maxRows = 20_000;
/** Files named: nobody reviews more by a ranking. */
const maxRanked = 50;
/** Reasons given for one file. */
const maxReasons = 3;
/** How likely a difference may be by chance and still be believed. */
const significance = 0.05;

type Quality = { auc: number; precisionAt10: number };

export type Ranking = {
  /** Who ranked. */
  readonly origin: "model" | "baseline" | "none";
  /** Why it is the model, the baseline, or nobody. */
  readonly reason: string;
  readonly predicts?: string;
  readonly files: RankedFile[];
  /** Not seen by the fit. Who ranks is decided by it, so what it says of the better one flatters a little: hence both. */
  readonly heldOut?: {
    readonly commits: number;
    readonly from: string;
    readonly to: string;
    readonly files: number;
    readonly mendedFiles: number;
    readonly model: Quality;
    readonly baseline: Quality;
    /** The chance of so large an advantage of the model where it has none. */
    readonly chanceOfAdvantage: number;
  };
  /** What the model goes by, strongest first: the change of its score for one standard deviation of the feature. */
  readonly weights?: { feature: string; weight: number }[];
  readonly history: { commits: number; fixCommits: number; largeCommits: number; from?: string; to?: string };
  readonly truncated: Truncated;
};

type RankedFile = {
  readonly path: string;
  /** Of the model: how likely a fix touches it in the next window. Of the baseline: how many commits did so far. */
  readonly score: number;
  readonly because: readonly { readonly feature: string; readonly value: number }[];
};

interface Model {
  readonly scaling: Scaling;
  readonly weights: readonly number[];
}

/** Ranks the source files that a history has led to. Tests, declarations and files that are not code are not ranked. */
export function rankFiles(
  { commits: all, files: present }: Pick<Extract<History, { ok: true }>, "commits" | "files">,
  signal: AbortSignal,
): Ranking {
  const commits = all.map(onlySource).filter((commit) => commit.changes.length > 0);
  const fixCommits = commits.filter((commit) => isFix(commit.subject) && !isLarge(commit)).length;
  const history = {
    commits: commits.length,
    fixCommits,
    largeCommits: commits.filter(isLarge).length,
    ...(commits.length > 0 && { from: dateOf(commits, 0), to: dateOf(commits, commits.length - 1) }),
  };
  const none = (reason: string): Ranking => ({ origin: "none", reason, files: [], history, truncated: {} });
  if (commits.length < minCommits) {
    return none(`Too little history: ${commits.length} commits changed source files, and ${minCommits} are needed.`);
  }
  if (fixCommits < minFixes) {
    return none(
      `Too little to learn from: ${fixCommits} of ${commits.length} commits say that they mend a defect, and ${minFixes} are needed.`,
    );
  }

  const window = Math.min(maxWindow, Math.floor(commits.length / 5));
  const cut = commits.length - window;
  const heldOut = examplesAt(commits, cut, window);
  const training = trainingExamples(commits, cut, window, signal);
  if (!hasEnough(heldOut) || !hasEnough(training)) {
    return none(
      `Too little to judge by: fewer than ${minOfEach} files with a mended defect, or without one, in the ${window} latest commits or those before.`,
    );
  }

  const labels = heldOut.map((each) => each.label);
  const byModel = scoresOf(fitModel(training, signal), heldOut);
  const byCommits = heldOut.map(countOf);
  const chanceOfAdvantage = chanceOfBetter(byModel, byCommits, labels);
  const isBetter = chanceOfAdvantage <= significance;
  const quality = (scores: readonly number[]): Quality => ({
    auc: round(areaUnderCurve(scores, labels)),
    precisionAt10: round(precisionAt(10, scores, labels)),
  });
  const measured = { model: quality(byModel), baseline: quality(byCommits) };
  const chance = chanceOfOrder(isBetter ? byModel : byCommits, labels);

  const truncated: Truncated = {};
  // What a merge left out seems to be there still: merges are not read, only what they were made of.
  const files = describeFiles(commits, commits.length, window).filter(({ path }) => present.has(path));
  const model = isBetter ? fitModel([...heldOut, ...training].slice(0, maxRows), signal) : undefined;
  const ranked = model === undefined ? rankByCommits(files) : rankByModel(model, files);
  return {
    origin: model === undefined ? "baseline" : "model",
    reason: explain(isBetter, measured, chance),
    predicts: `One of the next ${window} commits that change source files mends a defect in the file.`,
    files: cutList("files", ranked, maxRanked, truncated),
    heldOut: {
      commits: window,
      from: dateOf(commits, cut),
      to: dateOf(commits, commits.length - 1),
      files: heldOut.length,
      mendedFiles: labels.filter((label) => label === 1).length,
      ...measured,
      chanceOfAdvantage: round(chanceOfAdvantage),
    },
    ...(model !== undefined && { weights: listWeights(model) }),
    history,
    truncated,
  };
}

function onlySource(commit: Commit): Commit {
  const changes = commit.changes.flatMap((change): FileChange[] => {
    if (isSource(change.path)) return [change];
    // It became something else, a test for one: as source it is gone.
    const { from } = change;
    return from !== undefined && isSource(from) ? [{ path: from, status: "deleted", added: 0, removed: 0 }] : [];
  });
  return { ...commit, changes };
}

const isSource = (path: string): boolean => languageOf(path)?.kind === "code" && !isTest(path) && !isDeclaration(path);

/** Windows that end before the held-out one begins, the latest first, each with a window of history before it. */
function trainingExamples(
  commits: readonly Commit[],
  heldOutCut: number,
  window: number,
  signal: AbortSignal,
): RiskExample[] {
  const examples: RiskExample[] = [];
  for (let count = 1; count <= maxTrainingWindows; count++) {
    signal.throwIfAborted();
    const cut = heldOutCut - count * window;
    if (cut < window || examples.length >= maxRows) break;
    examples.push(...examplesAt(commits, cut, window));
  }
  return examples.slice(0, maxRows);
}

function hasEnough(examples: readonly RiskExample[]): boolean {
  const mended = examples.filter(({ label }) => label === 1).length;
  return mended >= minOfEach && examples.length - mended >= minOfEach;
}

function fitModel(examples: readonly RiskExample[], signal: AbortSignal): Model {
  const rows = examples.map(({ features }) => toRow(features));
  const scaling = fitScaling(rows);
  const scaled = rows.map((row) => scaleRow(scaling, row));
  const [, weights = []] = fitLogistic(
    scaled,
    examples.map(({ label }) => label),
    signal,
  );
  return { scaling, weights };
}

const scoresOf = ({ scaling, weights }: Model, examples: readonly { readonly features: readonly number[] }[]) =>
  examples.map(({ features }) => weigh(weights, scaleRow(scaling, toRow(features))));

const countOf = ({ features }: { readonly features: readonly number[] }): number => features[0] ?? 0;

type Described = ReturnType<typeof describeFiles>;

function rankByModel(model: Model, files: Described): RankedFile[] {
  const scores = scoresOf(model, files);
  const ranked = files.map(({ path, features }, index) => ({
    path,
    score: round(toProbability(scores[index] ?? 0)),
    because: strongest(model, features),
  }));
  return ranked.sort((a, b) => b.score - a.score || byText(a.path, b.path));
}

/** The features that raise a file's score most. */
function strongest({ scaling, weights }: Model, features: readonly number[]): RankedFile["because"] {
  const shares = scaleRow(scaling, toRow(features)).map((value, index) => ({
    index,
    share: value * (weights[index] ?? 0),
  }));
  return shares
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share)
    .slice(0, maxReasons)
    .map(({ index }) => ({ feature: featureNames[index] ?? "", value: round(features[index] ?? 0) }));
}

function rankByCommits(files: Described): RankedFile[] {
  const ranked = files.map((file) => ({
    path: file.path,
    score: countOf(file),
    because: [{ feature: featureNames[0], value: countOf(file) }],
  }));
  return ranked.sort((a, b) => b.score - a.score || byText(a.path, b.path));
}

function explain(
  isBetter: boolean,
  { model, baseline }: { model: Quality; baseline: Quality },
  chance: number,
): string {
  const measured = `AUC ${model.auc} against ${baseline.auc} of the baseline, the number of past commits`;
  const verdict = isBetter
    ? `On the held-out commits the model is better: ${measured}.`
    : `On the held-out commits the model is not better, or no more than by chance: ${measured}. So the baseline ranks.`;
  return chance <= significance
    ? verdict
    : `${verdict} That ranking is not surely better than chance (0.5): read it with care.`;
}

function listWeights({ weights }: Model): { feature: string; weight: number }[] {
  return featureNames
    .map((feature, index) => ({ feature, weight: round(weights[index] ?? 0) }))
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
}

const dateOf = (commits: readonly Commit[], index: number): string =>
  new Date(commits[index]?.committedAt ?? 0).toISOString();

/** Digits beyond these are noise. */
const round = (value: number): number => Math.round(value * 1_000) / 1_000;
