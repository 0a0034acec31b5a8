/**
 * What Storage promises about documents, on the real memory: versions, checksums, pieces, what was damaged is noticed, what was
 * backed up comes back, and one tenant never sees another's.
 */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createMemory } from "@viable/swarm";
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { plantTree } from "../../../testing/plant-tree.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { backup } from "./backup.ts";
import { cache } from "./cache.ts";
import { check } from "./check.ts";
import { compare } from "./compare.ts";
import { keep } from "./keep.ts";
import { read } from "./read.ts";
import { restore } from "./restore.ts";

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
  await using folder = await plantTree();
  const file = join(folder.path, "backup.jsonl");
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
  await using folder = await plantTree();
  const file = join(folder.path, "backup.jsonl");
  await bench.run(keep, { name: "a", document: { n: 1 } });
  await bench.run(keep, { name: "x", document: "not mine" }, { tenant: "other" });
  await bench.run(backup, { file });
  expect(await readFile(file, "utf8")).not.toContain("not mine");
  await expect(bench.run(backup, { file })).rejects.toMatchObject({ code: "backup.exists" });
  await expect(bench.run(backup, { file: join(folder.path, "no", "x") })).rejects.toMatchObject({
    code: "backup.not_writable",
  });
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

test("a backup that was cut off, altered or is none restores nothing", async () => {
  await using bench = await openBench();
  await using folder = await plantTree();
  const file = join(folder.path, "backup.jsonl");
  await bench.run(keep, { name: "a", document: { n: 1 } });
  await bench.run(backup, { file });
  const whole = await readFile(file, "utf8");
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
    await writeFile(file, text);
    await expect(empty.run(restore, { file }), name).rejects.toMatchObject({ code: "backup.damaged" });
  }
  await expect(empty.run(restore, { file: `${file}.gone` })).rejects.toMatchObject({ code: "backup.not_found" });
  expect(await empty.run(check, {})).toMatchObject({ checked: 0 });
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
