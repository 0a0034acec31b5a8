/**
 * What is known of files at a cut and what becomes of them after it, on small histories written by hand; and that nothing after
 * the cut is ever known before it.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Commit, FileChange } from "../../source/read-history.ts";
import { findMended, recordFiles } from "./file-records.ts";
import { describeFiles, examplesAt, featureNames } from "./risk-dataset.ts";

const dayMs = 24 * 3_600_000;

type Change = Partial<FileChange> & { path: string };

/** A commit a day; a change of one line unless told. */
const plan = (...commits: (readonly [subject: string, ...changes: Change[]])[]): Commit[] =>
  commits.map(([subject, ...changes], day) => ({
    hash: String(day),
    committedAt: day * dayMs,
    author: day % 2 === 0 ? "ann" : "bob",
    subject,
    changes: changes.map((change) => ({
      status: change.from === undefined ? "changed" : "renamed",
      added: 1,
      removed: 0,
      ...change,
    })),
  }));

const featuresOf = (commits: Commit[], cut: number, window: number) =>
  Object.fromEntries(
    describeFiles(commits, cut, window).map(({ path, features }) => [
      path,
      Object.fromEntries(featureNames.map((name, index) => [name, features[index]])),
    ]),
  );

test("each feature counts what happened before the cut", () => {
  const commits = plan(
    ["begin", { path: "a.ts", status: "added", added: 10 }, { path: "b.ts", status: "added", added: 5 }],
    ["fix it", { path: "a.ts", added: 2, removed: 4 }],
    ["more", { path: "b.ts" }],
    ["more", { path: "a.ts", added: 3 }],
    ["later", { path: "a.ts", added: 100 }],
  );
  expect(featuresOf(commits, 4, 2)).toEqual({
    "a.ts": {
      commits: 3,
      authors: 2,
      churnedLines: 19,
      ageDays: 3,
      daysUnchanged: 0,
      recentCommits: 1,
      recentChurnedLines: 3,
      lines: 11,
      pastFixes: 1,
    },
    "b.ts": {
      commits: 2,
      authors: 1,
      churnedLines: 6,
      ageDays: 3,
      daysUnchanged: 1,
      recentCommits: 1,
      recentChurnedLines: 1,
      lines: 6,
      pastFixes: 0,
    },
  });
});

test("a file keeps its past through renames, also where two change names with each other; what is deleted is gone", () => {
  const files = recordFiles(
    plan(
      ["begin", { path: "a.ts", added: 10 }, { path: "b.ts", added: 20 }, { path: "c.ts" }],
      ["swap", { path: "a.ts", from: "b.ts", added: 0 }, { path: "b.ts", from: "a.ts", added: 0 }],
      ["move", { path: "d.ts", from: "a.ts", added: 2 }],
      ["drop", { path: "c.ts", status: "deleted" }],
    ),
  );
  expect([...files.values()].map(({ path, lines, commits }) => ({ path, lines, commits }))).toEqual([
    { path: "b.ts", lines: 10, commits: 1 },
    { path: "d.ts", lines: 22, commits: 2 },
  ]);
});

test("a commit of very many files is no change of each, and no fix", () => {
  const many = Array.from({ length: 61 }, (_, index) => ({ path: `${index}.ts`, added: 7 }));
  const commits = plan(["fix formatting of all: a bug", ...many], ["fix one", { path: "1.ts" }]);
  expect(recordFiles(commits).get("0.ts")).toMatchObject({ commits: 0, churn: 0, fixes: 0, lines: 7 });
  expect(recordFiles(commits).get("1.ts")).toMatchObject({ commits: 1, fixes: 1, lines: 8 });
  expect(findMended(plan(["fix", ...many]))).toEqual(new Set());
});

test("a file that was renamed and then mended counts under its name at the cut", () => {
  const commits = plan(
    ["begin", { path: "a.ts" }, { path: "b.ts" }],
    ["move", { path: "c.ts", from: "a.ts" }],
    ["move again", { path: "d.ts", from: "c.ts" }],
    ["fix: the answer", { path: "d.ts" }],
    ["add", { path: "b.ts" }],
  );
  expect(examplesAt(commits, 1, 4).map(({ path, label }) => [path, label])).toEqual([
    ["a.ts", 1],
    ["b.ts", 0],
  ]);
  expect(examplesAt(commits, 1, 2).map(({ label }) => label)).toEqual([0, 0]);
});

test("a new file under the name of one that was moved is another file: what is mended in it was not mended in the moved one", () => {
  const commits = plan(
    ["begin", { path: "a.ts" }],
    ["move", { path: "b.ts", from: "a.ts" }],
    ["anew", { path: "a.ts", status: "added" }],
    ["fix: the answer", { path: "a.ts" }],
    ["move", { path: "c.ts", from: "a.ts" }],
    ["fix: the answer", { path: "c.ts" }],
  );
  expect(examplesAt(commits, 1, 5)).toMatchObject([{ path: "a.ts", label: 0 }]);
  // A branch that was merged later may still know the moved one by its old name.
  const branch = plan(["begin", { path: "a.ts" }], ["move", { path: "b.ts", from: "a.ts" }], ["fix", { path: "a.ts" }]);
  expect(examplesAt(branch, 1, 2)).toMatchObject([{ path: "a.ts", label: 1 }]);
});

const anyCommits = fc
  .array(
    fc.tuple(
      fc.constantFrom("fix", "add"),
      fc.array(
        fc.record({
          path: fc.constantFrom("a.ts", "b.ts", "c.ts"),
          status: fc.constantFrom("changed", "deleted"),
          added: fc.nat(9),
          removed: fc.nat(9),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    ),
    { minLength: 4, maxLength: 12 },
  )
  .map((commits) => plan(...commits.map(([subject, changes]) => [subject, ...(changes as Change[])] as const)));

test("what comes after the cut changes no feature, and what comes after the window no label", () => {
  fc.assert(
    fc.property(anyCommits, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), (commits, cut, window) => {
      expect(describeFiles(commits, cut, window)).toEqual(describeFiles(commits.slice(0, cut), cut, window));
      expect(examplesAt(commits, cut, window)).toEqual(examplesAt(commits.slice(0, cut + window), cut, window));
    }),
  );
});
