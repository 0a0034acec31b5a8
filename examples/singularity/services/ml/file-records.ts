/**
 * Goes through a history commit by commit and keeps for each file what was known of it at the end: the same file under its latest
 * name, however often it was renamed.
 */
import type { Commit } from "../../source/read-history.ts";
import { isFix } from "./fix-commits.ts";

/** What a history says of one file. */
export interface FileRecord {
  readonly path: string;
  readonly commits: number;
  readonly authors: ReadonlySet<string>;
  /** Lines added and removed, together. */
  readonly churn: number;
  readonly fixes: number;
  /** Lines it has, as far as the history goes back. */
  readonly lines: number;
  /** In milliseconds since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** Which commits changed it, by their place in the history, and how many lines each. */
  readonly touches: readonly { readonly index: number; readonly churn: number }[];
}

type Draft = {
  -readonly [member in keyof FileRecord]: FileRecord[member] extends readonly (infer Item)[]
    ? Item[]
    : FileRecord[member] extends ReadonlySet<infer Item>
      ? Set<Item>
      : FileRecord[member];
};

/** A commit of more files than this moved, formatted or imported them: it says nothing about each. Its renames and sizes count. */
const maxFilesOfChange = 60;

export const isLarge = (commit: Commit): boolean => commit.changes.length > maxFilesOfChange;

/** The files that are there after these commits, oldest commit first. */
export function recordFiles(commits: readonly Commit[]): Map<string, FileRecord> {
  const files = new Map<string, Draft>();
  for (const [index, commit] of commits.entries()) {
    moveFiles(files, commit);
    for (const { path, status, added, removed } of commit.changes) {
      if (status === "deleted") {
        files.delete(path);
        continue;
      }
      const file = files.get(path) ?? newRecord(path, commit.committedAt);
      files.set(path, file);
      file.lines = Math.max(0, file.lines + added - removed);
      // To be moved is no change.
      if (isLarge(commit) || (status === "renamed" && added + removed === 0)) continue;
      file.commits += 1;
      file.authors.add(commit.author);
      file.churn += added + removed;
      file.lastAt = commit.committedAt;
      file.touches.push({ index, churn: added + removed });
      if (isFix(commit.subject)) file.fixes += 1;
    }
  }
  return files;
}

/** All at once: two files may have changed names with each other. */
function moveFiles(files: Map<string, Draft>, { changes }: Commit): void {
  const moves = changes.flatMap(({ path, from }) => {
    const file = from === undefined ? undefined : files.get(from);
    return file === undefined ? [] : [{ ...file, path, from }];
  });
  for (const { from } of moves) if (from !== undefined) files.delete(from);
  for (const { from: _, ...file } of moves) files.set(file.path, file);
}

const newRecord = (path: string, firstAt: number): Draft => ({
  path,
  commits: 0,
  authors: new Set(),
  churn: 0,
  fixes: 0,
  lines: 0,
  firstAt,
  lastAt: firstAt,
  touches: [],
});

/** Which of the files that were there before these commits were touched by one of them that mends a defect, by their names before. */
export function findMended(commits: readonly Commit[]): Set<string> {
  const mended = new Set<string>();
  /** The name before, where it is another now; undefined where a new file has taken the name of one that was moved. */
  const former = new Map<string, string | undefined>();
  const moved = new Set<string>();
  const nameBefore = (name: string): string | undefined => (former.has(name) ? former.get(name) : name);
  for (const commit of commits) {
    const names = commit.changes.map((change) => ({ ...change, first: nameBefore(change.from ?? change.path) }));
    for (const { from } of names) {
      if (from === undefined) continue;
      former.delete(from);
      moved.add(from);
    }
    for (const { path, from, first } of names) if (from !== undefined) former.set(path, first);
    for (const { path, status } of names) if (status === "added" && moved.has(path)) former.set(path, undefined);
    if (isLarge(commit) || !isFix(commit.subject)) continue;
    for (const { first } of names) if (first !== undefined) mended.add(first);
  }
  return mended;
}
