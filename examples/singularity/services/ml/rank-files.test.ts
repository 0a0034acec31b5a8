/** How often the ranker is right about itself, over many histories: claims where there is nothing, and misses where there is something. */
import { expect, test } from "vitest";
import type { Commit } from "../../source/read-history.ts";
import { type Dice, planWork } from "./plant-history.ts";
import { rankFiles } from "./rank-files.ts";

const calm = Array.from({ length: 25 }, (_, index) => `src/calm${index}.ts`);
const wild = Array.from({ length: 15 }, (_, index) => `src/wild${index}.ts`);
const signal = new AbortController().signal;

/** One commit of a history: what it says, which file it changes and by how many lines. */
type Law = (dice: Dice) => { subject: string; path: string; added: number };

/** A history as it is read from git, one commit a day. */
function makeHistory(seed: number, law: Law) {
  return historyOf(makeCommits(seed, law));
}

const historyOf = (commits: Commit[], files = [...calm, ...wild]) => ({ commits, files: new Set(files) });

function makeCommits(seed: number, law: Law): Commit[] {
  const work: ReturnType<Law>[] = [];
  planWork(seed, 300, (dice) => {
    work.push(law(dice));
    return { subject: "", files: {} };
  });
  return work.map(({ subject, path, added }, day) => ({
    hash: String(day),
    committedAt: day * 86_400_000,
    author: "ann",
    subject,
    changes: [{ path, status: "changed", added, removed: 0 }],
  }));
}

const noLaw: Law = (dice) => ({
  subject: dice.chance(0.3) ? "fix" : "add",
  path: dice.pick([...calm, ...wild]),
  added: 10,
});

const fixesFollowChurn: Law = (dice) => {
  if (dice.chance(0.7)) return { subject: "add", path: dice.pick(calm), added: 2 };
  return { subject: dice.chance(0.7) ? "fix" : "rewrite", path: dice.pick(wild), added: 80 };
};

const originsOf = (law: Law) =>
  Array.from({ length: 15 }, (_, seed) => rankFiles(makeHistory(seed, law), signal).origin);

/** Fifteen rankings are two seconds of computing, and some times that where others compute beside. */
const fifteen = { timeout: 60_000 };

test("of fifteen histories without a law, it claims to know better in one or two at most", fifteen, () => {
  const origins = originsOf(noLaw);
  expect(origins.filter((origin) => origin === "model").length).toBeLessThanOrEqual(2);
  expect(origins).not.toContain("none");
});

test("of fifteen histories in which fixes follow churn and not commits, it knows better in nearly all", fifteen, () => {
  expect(originsOf(fixesFollowChurn).filter((origin) => origin === "model").length).toBeGreaterThanOrEqual(14);
});

test("the same history gives the same ranking", () => {
  const history = makeHistory(5, fixesFollowChurn);
  expect(rankFiles(history, signal)).toEqual(rankFiles(history, signal));
});

test("what a merge left out, or became a test, is not ranked", () => {
  const commits = makeCommits(5, fixesFollowChurn);
  const [leftOut = "", moved = "", ...rest] = wild;
  const last = commits.at(-1) as Commit;
  const toTest = { path: "src/moved.test.ts", from: moved, status: "renamed", added: 0, removed: 0 } as const;
  const history = historyOf([...commits, { ...last, changes: [toTest] }]);
  const { files } = rankFiles({ ...history, files: new Set([...calm, moved, ...rest]) }, signal);
  const named = files.map(({ path }) => path);
  expect(named).toEqual(expect.arrayContaining(rest));
  expect(named).not.toContain(leftOut);
  expect(named).not.toContain(moved);
});

test("whoever has cancelled gets no ranking", () => {
  const abort = new AbortController();
  abort.abort(new Error("enough"));
  expect(() => rankFiles(makeHistory(1, noLaw), abort.signal)).toThrow("enough");
});
