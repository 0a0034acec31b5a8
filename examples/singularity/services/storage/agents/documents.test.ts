/**
 * What Storage promises about documents, on the real memory: versions, checksums, pieces, what was damaged is noticed, what was
 * backed up comes back, and one tenant never sees another's.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemory } from "@viable/swarm";
import type { JsonObject, Memory } from "viable";
import { afterAll, beforeEach, expect, test } from "vitest";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { backupFolder } from "../backup-folder.ts";
import { type DocumentContext, dropVersions, isStillKept, writeDocument } from "../documents.ts";
import { createBackup } from "./backup.ts";
import { cache, placeOf } from "./cache.ts";
import { check } from "./check.ts";
import { compare } from "./compare.ts";
import { keep } from "./keep.ts";
import { read } from "./read.ts";
import { createRestore } from "./restore.ts";

const folder = mkdtempSync(join(tmpdir(), "singularity-backups-"));
afterAll(() => rmSync(folder, { recursive: true }));
const backup = createBackup({ VIABLE_BACKUP_DIR: folder });
const restore = createRestore({ VIABLE_BACKUP_DIR: folder });

/** The name of a file that no other test has, and where it lies. */
let files = 0;
let file: string;
let path: string;
beforeEach(() => {
  file = `${++files}.jsonl`;
  path = join(folder, file);
});

const memoryOf = (bench: AgentBench) => createMemory(bench.log, bench.ctx, "bench");

test("versions are numbered, read back and told apart", async () => {
  await using bench = await openBench();
  expect(await bench.run(keep, { name: "plan", document: { a: 1 } })).toMatchObject({ version: 1, pieces: 1 });
  expect(await bench.run(keep, { name: "plan", document: { a: 2 } })).toMatchObject({ version: 2 });
  expect(await bench.run(keep, { name: "plan/b", document: [] })).toMatchObject({ version: 1 });
  expect(await bench.run(read, { name: "plan" })).toMatchObject({ version: 2, versions: [1, 2], document: { a: 2 } });
  expect(await bench.run(read, { name: "plan", version: 1 })).toMatchObject({ document: { a: 1 } });
  await expect(bench.run(read, { name: "plan", version: 7 })).rejects.toMatchObject({
    code: "document.not_found",
    next: "There are versions 1, 2.",
  });
  await expect(bench.run(read, { name: "other" })).rejects.toMatchObject({ code: "document.not_found" });
});

test("the same execution asking again gets the version it made", async () => {
  await using bench = await openBench();
  const once = await bench.run(keep, { name: "plan", document: 1 }, { executionId: "exe_a" });
  expect(await bench.run(keep, { name: "plan", document: 1 }, { executionId: "exe_a" })).toEqual(once);
  expect(await bench.run(keep, { name: "plan", document: 1 }, { executionId: "exe_b" })).toMatchObject({ version: 2 });
});

test("ten at once get ten versions", async () => {
  await using bench = await openBench();
  const kept = await Promise.all(
    Array.from({ length: 10 }, (_, index) => bench.run(keep, { name: "p", document: index })),
  );
  expect(kept.map((each) => each.version).sort()).toEqual([1, 10, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a document of several pieces, full of characters that need two places, comes back as it was", async () => {
  await using bench = await openBench();
  const document = { text: `x${"😀".repeat(600_000)}`, quotes: '"\\'.repeat(200_000) };
  expect((await bench.run(keep, { name: "large", document })).pieces).toBeGreaterThan(3);
  expect((await bench.run(read, { name: "large" })).document).toEqual(document);
  await expect(bench.run(keep, { name: "huge", document: "x".repeat(5_000_000) })).rejects.toMatchObject({
    code: "document.too_large",
  });
});

test("old versions go when there are fifty newer ones", async () => {
  await using bench = await openBench();
  for (let count = 0; count < 53; count++) await bench.run(keep, { name: "p", document: count });
  const { versions } = await bench.run(read, { name: "p" });
  expect(versions).toEqual(Array.from({ length: 50 }, (_, index) => index + 4));
});

/** What keeping a document takes of an agent's context. */
const keeping = (bench: AgentBench, executionId: string): DocumentContext => ({
  memory: memoryOf(bench),
  signal: new AbortController().signal,
  runtime: bench.ctx.runtime,
  executionId,
});

test("the latest is the latest also where restoring brought back more versions than are kept otherwise", async () => {
  await using bench = await openBench();
  for (let version = 1; version <= 230; version++)
    await writeDocument(keeping(bench, "exe_r"), "p", version, `${version}`);
  expect(await bench.run(read, { name: "p" })).toMatchObject({ version: 230, document: 230 });
  expect(await bench.run(keep, { name: "p", document: "new" })).toMatchObject({ version: 231 });
  const { versions } = await bench.run(read, { name: "p" });
  expect(versions).toEqual(Array.from({ length: 50 }, (_, index) => index + 182));
});

test("a version that somebody took away while it was written is not said to be kept", async () => {
  await using bench = await openBench();
  const ctx = keeping(bench, "exe_a");
  const memory: Memory = {
    ...ctx.memory,
    async set(key, value, options) {
      const outcome = await ctx.memory.set(key, value, options);
      if (options?.namespace === "document-pieces") await ctx.memory.delete("p@00000001", "document-labels");
      return outcome;
    },
  };
  await expect(writeDocument({ ...ctx, memory }, "p", 1, "1")).rejects.toMatchObject({
    code: "document.not_kept",
    retryable: true,
  });
});

test("a version that has to make room is not damaged", async () => {
  await using bench = await openBench();
  const ctx = keeping(bench, "exe_a");
  const label = await writeDocument(ctx, "p", 1, "1");
  if (label === undefined) throw new Error("the number was taken");
  expect(await isStillKept(ctx.memory, label)).toBe(true);
  // It is gone in two steps, and is not taken for whole between them.
  const memory: Memory = {
    ...ctx.memory,
    async delete(key, namespace) {
      expect(await isStillKept(ctx.memory, label)).toBe(false);
      await ctx.memory.delete(key, namespace);
    },
  };
  await dropVersions(memory, [label]);
  expect(await isStillKept(ctx.memory, label)).toBe(false);
  expect(await ctx.memory.list("document-pieces")).toEqual([]);
});

test("what appeared, went and changed, entry by entry", async () => {
  await using bench = await openBench();
  const first = {
    files: [
      { path: "a", lines: 1 },
      { path: "b", lines: 2 },
    ],
    tags: ["x", "x", "y"],
    size: 3,
    old: true,
  };
  const second = {
    files: [
      { path: "b", lines: 5 },
      { path: "c", lines: 1 },
    ],
    tags: ["y", "x"],
    size: 3,
    fresh: null,
  };
  await bench.run(keep, { name: "p", document: first });
  await expect(bench.run(compare, { name: "p" })).rejects.toMatchObject({ code: "document.no_former" });
  await bench.run(keep, { name: "p", document: second });
  expect(await bench.run(compare, { name: "p" })).toMatchObject({
    from: 1,
    to: 2,
    isEqual: false,
    appeared: [
      { at: "files[c]", after: { path: "c", lines: 1 } },
      { at: "fresh", after: null },
    ],
    went: [{ at: "files[a]" }, { at: "old", before: true }, { at: 'tags["x"]', before: "x" }],
    changed: [{ at: "files[b].lines", before: 2, after: 5 }],
  });
  expect(await bench.run(compare, { name: "p", from: 2, to: 2 })).toMatchObject({ isEqual: true, changed: [] });
});

test("damage is found by the check, refused by reading, and mended by restoring", async () => {
  await using bench = await openBench();
  await bench.run(keep, { name: "a", document: { n: 1 } });
  await bench.run(keep, { name: "b", document: { n: 2 } });
  expect(await bench.run(check, {})).toMatchObject({ checked: 2, isSound: true, problems: [] });
  expect(await bench.run(backup, { file })).toMatchObject({ documents: 2 });

  const memory = memoryOf(bench);
  const [piece] = await memory.list("document-pieces", { prefix: "a@" });
  await memory.set((piece as { key: string }).key, '{"n":9}', { namespace: "document-pieces" });
  expect(await bench.run(check, {})).toMatchObject({
    isSound: false,
    problems: [{ name: "a", version: 1, reason: "its text does not fit its checksum" }],
  });
  await expect(bench.run(read, { name: "a" })).rejects.toMatchObject({ code: "document.damaged" });
  await expect(bench.run(backup, { file: `${file}.2` })).rejects.toMatchObject({ code: "document.damaged" });

  expect(await bench.run(restore, { file })).toMatchObject({ documents: 2, restored: 1, unchanged: 1, conflicts: [] });
  expect(await bench.run(read, { name: "a" })).toMatchObject({ document: { n: 1 } });
  expect(await bench.run(check, {})).toMatchObject({ checked: 2, isSound: true });
});

test("a backup restores into an empty memory, overwrites nothing, and is of one tenant", async () => {
  await using bench = await openBench();
  await bench.run(keep, { name: "a", document: { n: 1 } });
  await bench.run(keep, { name: "x", document: "not mine" }, { tenant: "other" });
  await bench.run(backup, { file });
  expect(await readFile(path, "utf8")).not.toContain("not mine");
  await expect(bench.run(backup, { file })).rejects.toMatchObject({ code: "backup.exists" });
  await expect(bench.run(restore, { file }, { tenant: "other" })).rejects.toMatchObject({
    code: "backup.other_tenant",
  });

  await using empty = await openBench();
  expect(await empty.run(restore, { file })).toMatchObject({ restored: 1 });
  expect(await empty.run(read, { name: "a" })).toMatchObject({ document: { n: 1 } });

  await using changed = await openBench();
  await changed.run(keep, { name: "a", document: { n: 7 } });
  expect(await changed.run(restore, { file })).toMatchObject({ restored: 0, conflicts: [{ name: "a", version: 1 }] });
  expect(await changed.run(read, { name: "a" })).toMatchObject({ document: { n: 7 } });
});

test("what is restored was kept when it was kept", async () => {
  await using bench = await openBench();
  const keptAt = "2026-01-01T00:00:00.000Z";
  await writeDocument(keeping(bench, "exe_a"), "a", 1, "1", keptAt);
  await bench.run(backup, { file });
  await using empty = await openBench();
  await empty.run(restore, { file });
  expect(await empty.run(read, { name: "a" })).toMatchObject({ keptAt });
});

test("no size is too large to be read back, as none is too large to be written", async () => {
  await using bench = await openBench();
  await bench.run(backup, { file });
  // A gibibyte of nothing after the first line, which takes no room.
  await truncate(path, (await readFile(path)).indexOf("\n") + 1);
  await truncate(path, 1024 * 1024 * 1024 + 1);
  await expect(bench.run(restore, { file })).rejects.toThrow("line 2: it is longer than");
});

test("of two that write the same backup at once one is told that it is there", async () => {
  await using bench = await openBench();
  await bench.run(keep, { name: "a", document: 1 });
  const outcomes = await Promise.allSettled(Array.from({ length: 4 }, async () => await bench.run(backup, { file })));
  const [done, ...others] = outcomes.filter((each) => each.status === "fulfilled");
  expect(others).toEqual([]);
  expect(done?.value).toMatchObject({ documents: 1 });
  expect(outcomes.filter((each) => each.status === "rejected").map((each) => each.reason.code)).toEqual(
    Array(3).fill("backup.exists"),
  );
  expect((await readdir(folder)).filter((name) => name.startsWith(file))).toEqual([file]);
});

test("a backup that was cut off, altered or is none restores nothing", async () => {
  await using bench = await openBench();
  await bench.run(keep, { name: "a", document: { n: 1 } });
  await bench.run(backup, { file });
  const whole = await readFile(path, "utf8");
  const lines = whole.trimEnd().split("\n");
  const bad = {
    "cut-off": `${lines.slice(0, -1).join("\n")}\n`,
    altered: whole.replace('\\"n\\":1', '\\"n\\":2'),
    renamed: whole.replace('"name":"a"', '"name":"b"'),
    extended: `${whole}{}\n`,
    empty: "",
    picture: "\u0000\u0001",
  };
  await using empty = await openBench();
  for (const [name, text] of Object.entries(bad)) {
    await writeFile(path, text);
    await expect(empty.run(restore, { file }), name).rejects.toMatchObject({ code: "backup.damaged" });
  }
  await expect(empty.run(restore, { file: `${file}.gone` })).rejects.toMatchObject({ code: "backup.not_found" });
  expect(await empty.run(check, {})).toMatchObject({ checked: 0 });
});

test("a document with signs that other readers take for the end of a line comes back as it was", async () => {
  await using bench = await openBench();
  const document = { text: "one\u2028two\u2029three\u0085four\r\nfive" };
  await bench.run(keep, { name: "a", document });
  await bench.run(backup, { file });
  await using empty = await openBench();
  expect(await empty.run(restore, { file })).toMatchObject({ restored: 1 });
  expect((await empty.run(read, { name: "a" })).document).toEqual(document);
});

test.each(["../x.jsonl", "/etc/x", "a/b", "..", ".hidden", "a\\b", ""])(
  "no name leads out of the folder of backups, to write or to read: %j",
  async (name) => {
    await using bench = await openBench();
    await expect(bench.run(backup, { file: name, overwrite: true })).rejects.toThrow();
    await expect(bench.run(restore, { file: name })).rejects.toThrow();
  },
);

test("a link in the folder leads nowhere: it is neither read nor written through", async () => {
  await using bench = await openBench();
  await bench.run(keep, { name: "a", document: 1 });
  await bench.run(backup, { file: `real-${file}` });
  await symlink(join(folder, `real-${file}`), path);
  await expect(bench.run(restore, { file })).rejects.toMatchObject({ code: "backup.damaged" });
  await expect(bench.run(backup, { file, overwrite: true })).rejects.toMatchObject({ code: "backup.exists" });
});

test("a backup takes the place of another of the same tenant where that is asked for, and of nothing else", async () => {
  await using bench = await openBench();
  await bench.run(keep, { name: "a", document: 1 });
  await bench.run(backup, { file });
  await bench.run(keep, { name: "b", document: 2 });
  expect(await bench.run(backup, { file, overwrite: true })).toMatchObject({ documents: 2 });
  await expect(bench.run(backup, { file, overwrite: true }, { tenant: "other" })).rejects.toMatchObject({
    code: "backup.exists",
  });
  const another = '{"kind":"head","format":"viable-backup","formatVersion":1}\n';
  for (const text of [another, "", "a letter\n"]) {
    await writeFile(path, text);
    await expect(bench.run(backup, { file, overwrite: true })).rejects.toMatchObject({ code: "backup.exists" });
    expect(await readFile(path, "utf8")).toBe(text);
  }
});

test("a backup that is begun again finds what it has finished, or clears away what it has not", async () => {
  await using bench = await openBench();
  await bench.run(keep, { name: "a", document: 1 });
  await writeFile(`${path}.exe_1.partial`, "half");
  const first = await bench.run(backup, { file }, { executionId: "exe_1" });
  await bench.run(keep, { name: "b", document: 2 });
  expect(await bench.run(backup, { file }, { executionId: "exe_1" })).toEqual(first);
  await expect(bench.run(backup, { file }, { executionId: "exe_2" })).rejects.toMatchObject({
    code: "backup.exists",
  });
  expect((await readdir(folder)).filter((name) => name.startsWith(file))).toEqual([file]);
});

test("the folder of backups is the one that is named, else where the system keeps its state", () => {
  expect(backupFolder({ VIABLE_BACKUP_DIR: "/b", VIABLE_STATE_DIR: "/s" })).toBe("/b");
  expect(backupFolder({ VIABLE_BACKUP_DIR: "", VIABLE_STATE_DIR: "/s" })).toBe("/s/backups");
  expect(backupFolder({})).toMatch(/singularity\/\.viable\/backups$/);
});

test("the cache answers until its time is over", async () => {
  await using bench = await openBench();
  const run = (args: JsonObject) => bench.run(cache, args);
  expect(await run({ operation: "get", key: "k" })).toEqual({ key: "k", hit: false });
  await run({ operation: "put", key: "k", value: { n: 1 }, expiresInMs: 60_000 });
  expect(await run({ operation: "get", key: "k" })).toMatchObject({ hit: true, value: { n: 1 } });
  await run({ operation: "forget", key: "k" });
  expect(await run({ operation: "get", key: "k" })).toMatchObject({ hit: false });
  await run({ operation: "put", key: "short", value: 1, expiresInMs: 1 });
  await expect.poll(() => run({ operation: "get", key: "short" })).toMatchObject({ hit: false });
  await expect(run({ operation: "put", key: "k", value: null })).rejects.toMatchObject({ code: "cache.no_value" });
});

test("the cache has so many places and no more; of two keys of one place the later is remembered, and no answer is the other's", async () => {
  await using bench = await openBench();
  const keys = Array.from({ length: 100_000 }, (_, index) => `key ${index}`);
  expect(new Set(keys.map(placeOf)).size).toBeLessThanOrEqual(16_384);
  const [first = ""] = keys;
  const second = keys.find((each) => each !== first && placeOf(each) === placeOf(first)) ?? "";
  const get = (key: string) => bench.run(cache, { operation: "get", key });
  await bench.run(cache, { operation: "put", key: first, value: 1 });
  await bench.run(cache, { operation: "put", key: second, value: 2 });
  expect(await get(second)).toMatchObject({ hit: true, value: 2 });
  expect(await get(first)).toEqual({ key: first, hit: false });
  // What is not there cannot be forgotten.
  await bench.run(cache, { operation: "forget", key: first });
  expect(await get(second)).toMatchObject({ hit: true });
  expect(await memoryOf(bench).list("cache")).toHaveLength(1);
});
