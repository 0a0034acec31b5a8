/**
 * What is read of a history that is known: real repositories, made by git itself with set dates in folders of their own, and then
 * read by the same code that reads any other.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { type PlantedTree, plantTree } from "../testing/plant-tree.ts";
import { type History, parseLog, readHistory } from "./read-history.ts";

const run = promisify(execFile);
const signal = new AbortController().signal;

/** Git in a folder, as somebody and at a moment that are known. */
async function git(folder: string, args: readonly string[], { day = 1, name = "ann" } = {}): Promise<string> {
  const date = `2024-03-${String(day).padStart(2, "0")}T12:00:00Z`;
  const identity = [
    "-c",
    `user.name=${name}`,
    "-c",
    `user.email=${name}@example.org`,
    "-c",
    "protocol.file.allow=always",
  ];
  const { stdout } = await run("git", [...identity, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date },
  });
  return stdout;
}

async function commit(tree: PlantedTree, subject: string, options: { day?: number; name?: string } = {}) {
  await git(tree.path, ["add", "--all"], options);
  await git(tree.path, ["commit", "--quiet", "--message", subject], options);
}

async function plantRepository(files: { readonly [path: string]: string }): Promise<PlantedTree> {
  const tree = await plantTree(files);
  await git(tree.path, ["init", "--quiet", "--initial-branch=main"]);
  return tree;
}

function commitsOf(history: History) {
  if (!history.ok) throw new Error(history.message);
  return history.commits;
}

const numbered = (count: number): string => Array.from({ length: count }, (_, index) => `line ${index}\n`).join("");

test("commits oldest first, with author, time, lines, renames and deletions", async () => {
  await using tree = await plantRepository({ "src/a.ts": numbered(20), "gone.ts": "x\n" });
  await commit(tree, "begin", { day: 1 });
  await git(tree.path, ["mv", "src/a.ts", "src/b.ts"]);
  await git(tree.path, ["rm", "--quiet", "gone.ts"]);
  await tree.write("src/b.ts", `${numbered(20)}more\nand more\n`);
  await tree.write("picture.png", new Uint8Array([0, 1, 2]));
  await commit(tree, "fix: a bug\n\nand why", { day: 2, name: "Bob" });
  expect(await readHistory(tree.path, { signal })).toEqual({
    ok: true,
    isShallow: false,
    olderCommits: 0,
    files: new Set(["picture.png", "src/b.ts"]),
    commits: [
      {
        hash: expect.stringMatching(/^[0-9a-f]{40}$/),
        committedAt: Date.UTC(2024, 2, 1, 12),
        author: "ann@example.org",
        subject: "begin",
        changes: [
          { path: "gone.ts", status: "added", added: 1, removed: 0 },
          { path: "src/a.ts", status: "added", added: 20, removed: 0 },
        ],
      },
      {
        hash: expect.stringMatching(/^[0-9a-f]{40}$/),
        committedAt: Date.UTC(2024, 2, 2, 12),
        author: "bob@example.org",
        subject: "fix: a bug",
        changes: [
          { path: "gone.ts", status: "deleted", added: 0, removed: 1 },
          { path: "picture.png", status: "added", added: 0, removed: 0 },
          { path: "src/b.ts", from: "src/a.ts", status: "renamed", added: 2, removed: 0 },
        ],
      },
    ],
  });
});

test("names of files that would confuse a reader of lines come through as they are", async () => {
  const names = [
    "with space.ts",
    "tab\tand\nline.ts",
    ":100644 looks like git.ts",
    "1\t2\tcounts.ts",
    "ünï😀.ts",
    "-n.ts",
  ];
  await using tree = await plantRepository(Object.fromEntries(names.map((name) => [name, "1\n"])));
  await commit(tree, "begin");
  const history = await readHistory(tree.path, { signal });
  const [first] = commitsOf(history);
  expect(first?.changes.map((each) => each.path).sort()).toEqual([...names].sort());
  expect(history).toMatchObject({ files: new Set(names) });
});

test("of a folder inside a repository its own files, by their names in it; merges and what is outside do not count", async () => {
  await using tree = await plantRepository({ "pkg/one/a.ts": "1\n", "pkg/two/b.ts": "1\n" });
  await commit(tree, "begin", { day: 1 });
  await tree.write("pkg/two/b.ts", "2\n");
  await commit(tree, "only two", { day: 2 });
  await git(tree.path, ["switch", "--quiet", "--create", "side", "HEAD~1"]);
  await tree.write("pkg/one/c.ts", "1\n");
  await commit(tree, "on the side", { day: 3 });
  await git(tree.path, ["switch", "--quiet", "main"]);
  await git(tree.path, ["merge", "--quiet", "--no-ff", "--message", "merged", "side"], { day: 4 });
  const history = await readHistory(join(tree.path, "pkg/one"), { signal });
  expect(history).toMatchObject({ files: new Set(["a.ts", "c.ts"]) });
  expect(commitsOf(history).map(({ subject, changes }) => [subject, changes.map((each) => each.path)])).toEqual([
    ["begin", ["a.ts"]],
    ["on the side", ["c.ts"]],
  ]);
});

test("a shallow clone says so, and its oldest commit is not taken for one that wrote every file", async () => {
  await using tree = await plantRepository({ "a.ts": "1\n", "b.ts": "1\n" });
  await commit(tree, "one", { day: 1 });
  for (const day of [2, 3]) {
    await tree.write("a.ts", `${day}\n`);
    await commit(tree, `day ${day}`, { day });
  }
  await using clone = await plantTree();
  await git(clone.path, ["clone", "--quiet", "--depth=2", `file://${tree.path}`, "copy"]);
  expect(await readHistory(join(clone.path, "copy"), { signal })).toMatchObject({
    isShallow: true,
    commits: [{ subject: "day 3", changes: [{ path: "a.ts" }] }],
    files: new Set(["a.ts", "b.ts"]),
  });
  await git(clone.path, ["clone", "--quiet", "--depth=1", `file://${tree.path}`, "latest"]);
  expect(await readHistory(join(clone.path, "latest"), { signal })).toMatchObject({
    ok: false,
    reason: "no_commits",
    message: expect.stringContaining("shallow clone"),
  });
});

test("a bound on commits leaves out the oldest and counts them", async () => {
  await using tree = await plantRepository({});
  for (const day of [1, 2, 3, 4]) {
    await tree.write("a.ts", `${day}\n`);
    await commit(tree, `day ${day}`, { day });
  }
  expect(await readHistory(tree.path, { signal, limit: 3 })).toMatchObject({
    olderCommits: 1,
    commits: [{ subject: "day 2" }, { subject: "day 3" }, { subject: "day 4" }],
  });
  expect(await readHistory(tree.path, { signal, limit: 4 })).toMatchObject({ olderCommits: 0 });
});

test("no repository, one without commits, one that has none for the folder, and a broken one are answers", async () => {
  await using plain = await plantTree({ "a.ts": "1" });
  expect(await readHistory(plain.path, { signal })).toMatchObject({ ok: false, reason: "no_repository" });
  await using fresh = await plantRepository({ "a.ts": "1", "ignored/b.ts": "1" });
  expect(await readHistory(fresh.path, { signal })).toMatchObject({ ok: false, reason: "no_commits" });
  expect(await readHistory(join(fresh.path, ".git"), { signal })).toMatchObject({ ok: false, reason: "no_repository" });
  await git(fresh.path, ["add", "a.ts"]);
  await git(fresh.path, ["commit", "--quiet", "--message", "only a"]);
  expect(await readHistory(join(fresh.path, "ignored"), { signal })).toMatchObject({ reason: "no_commits" });
  await fresh.write(".git/config", "[broken");
  expect(await readHistory(fresh.path, { signal })).toMatchObject({
    ok: false,
    reason: "unreadable",
    message: expect.stringContaining("bad config"),
  });
  await expect(readHistory(join(plain.path, "gone"), { signal })).rejects.toMatchObject({ code: "source.not_found" });
});

test("without the program git the answer says that it is not there", async () => {
  await using tree = await plantTree();
  const { PATH } = process.env;
  process.env.PATH = tree.path;
  try {
    expect(await readHistory(tree.path, { signal })).toMatchObject({ ok: false, reason: "no_git" });
  } finally {
    process.env.PATH = PATH;
  }
});

test("a GIT_DIR in the environment leads to no other repository", async () => {
  await using tree = await plantRepository({ "a.ts": "1\n" });
  await commit(tree, "right");
  await using other = await plantRepository({ "b.ts": "1\n" });
  await commit(other, "wrong");
  process.env.GIT_DIR = join(other.path, ".git");
  try {
    expect(commitsOf(await readHistory(tree.path, { signal })).map((each) => each.subject)).toEqual(["right"]);
  } finally {
    delete process.env.GIT_DIR;
  }
});

test("a repository that names a program to check signatures with has it not started", async () => {
  await using tree = await plantRepository({ "a.ts": "1\n", "gpg.sh": "#!/bin/sh\ntouch started\n" });
  await chmod(join(tree.path, "gpg.sh"), 0o755);
  await commit(tree, "one");
  const object = await git(tree.path, ["cat-file", "commit", "HEAD"]);
  const signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n";
  await tree.write("object", object.replace("\n\n", `\n${signature}\n`));
  const signed = await git(tree.path, ["hash-object", "-t", "commit", "-w", "object"]);
  await git(tree.path, ["reset", "--quiet", "--hard", signed.trim()]);
  await git(tree.path, ["config", "gpg.program", join(tree.path, "gpg.sh")]);
  await git(tree.path, ["config", "log.showSignature", "true"]);
  const started = () => existsSync(join(tree.path, "started"));
  expect(commitsOf(await readHistory(tree.path, { signal }))).toHaveLength(1);
  expect(started()).toBe(false);
  await git(tree.path, ["log", "-1"]);
  expect(started()).toBe(true);
});

test("whoever cancels waits no longer", async () => {
  await using tree = await plantRepository({ "a.ts": "1\n" });
  await commit(tree, "one");
  const abort = new AbortController();
  const reading = readHistory(tree.path, { signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(reading).rejects.toThrow("enough");
});

test("a log that ends in the middle gives the commits that are whole, and nonsense gives none", () => {
  const whole = "\u0001abc\0def\u00001\0a@b\0one\0\n:1 1 2 3 M\0a.ts\u00001\t2\ta.ts\0";
  expect(parseLog(whole, { withoutRoots: false })).toMatchObject([
    { hash: "abc", committedAt: 1_000, changes: [{ path: "a.ts", status: "changed", added: 1, removed: 2 }] },
  ]);
  expect(parseLog(`${whole}\u0001abd\0def\u00002\0a@b`, { withoutRoots: false })).toHaveLength(1);
  expect(parseLog("what\0is\0this", { withoutRoots: false })).toEqual([]);
});
