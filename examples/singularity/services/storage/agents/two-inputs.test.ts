/** What the agents of Storage answer follows what they are given; what they promise beyond that is in `documents.test.ts`. */

import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemory } from "@viable/swarm";
import { afterAll, expect } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { createBackup } from "./backup.ts";
import { cache } from "./cache.ts";
import { check } from "./check.ts";
import { compare } from "./compare.ts";
import { keep } from "./keep.ts";
import { read } from "./read.ts";
import { createRestore } from "./restore.ts";

const folder = mkdtempSync(join(tmpdir(), "singularity-backups-"));
afterAll(() => rmSync(folder, { recursive: true }));
const backup = createBackup({ VIABLE_BACKUP_DIR: folder });
const restore = createRestore({ VIABLE_BACKUP_DIR: folder });

const sha256Of = (text: string): string => createHash("sha256").update(text).digest("hex");

followsInput(keep, "a version and a checksum for each document", async (bench) => {
  const first = await bench.run(keep, { name: "plan", document: { a: 1 } });
  expect(first).toMatchObject({ name: "plan", version: 1, sha256: sha256Of('{"a":1}') });
  const second = await bench.run(keep, { name: "plan", document: { a: 2 } });
  expect(second).toMatchObject({ name: "plan", version: 2, sha256: sha256Of('{"a":2}') });
  return [first, second];
});

followsInput(read, "the version that is asked for", async (bench) => {
  await bench.run(keep, { name: "plan", document: { a: 1 } });
  await bench.run(keep, { name: "plan", document: { a: 2 } });
  const first = await bench.run(read, { name: "plan", version: 1 });
  expect(first).toMatchObject({ version: 1, document: { a: 1 } });
  const latest = await bench.run(read, { name: "plan" });
  expect(latest).toMatchObject({ version: 2, document: { a: 2 } });
  return [first, latest];
});

followsInput(compare, "what is different, and nothing where nothing is", async (bench) => {
  await bench.run(keep, { name: "plan", document: { a: 1 } });
  await bench.run(keep, { name: "plan", document: { a: 1, b: 2 } });
  const different = await bench.run(compare, { name: "plan" });
  expect(different).toMatchObject({ isEqual: false, appeared: [{ at: "b", after: 2 }], went: [], changed: [] });
  const same = await bench.run(compare, { name: "plan", from: 2, to: 2 });
  expect(same).toMatchObject({ isEqual: true, appeared: [], went: [], changed: [] });
  return [different, same];
});

followsInput(cache, "a hit for what was put, a miss for what was not", async (bench) => {
  await bench.run(cache, { operation: "put", key: "k", value: { n: 1 } });
  const hit = await bench.run(cache, { operation: "get", key: "k" });
  expect(hit).toMatchObject({ key: "k", hit: true, value: { n: 1 } });
  const miss = await bench.run(cache, { operation: "get", key: "other" });
  expect(miss).toEqual({ key: "other", hit: false });
  return [hit, miss];
});

followsInput(check, "sound as long as nothing was altered", async (bench) => {
  await bench.run(keep, { name: "a", document: { n: 1 } });
  const sound = await bench.run(check, {});
  expect(sound).toMatchObject({ checked: 1, isSound: true, problems: [] });
  const memory = createMemory(bench.log, bench.ctx, "bench");
  const [piece] = await memory.list("document-pieces", { prefix: "a@" });
  await memory.set((piece as { key: string }).key, '{"n":2}', { namespace: "document-pieces" });
  const damaged = await bench.run(check, {});
  expect(damaged).toMatchObject({ checked: 1, isSound: false, problems: [{ name: "a", version: 1 }] });
  return [sound, damaged];
});

followsInput(backup, "all that is kept at the time, in a file whose checksum is answered", async (bench) => {
  const sizeOf = async (name: string) => (await readFile(join(folder, name))).byteLength;
  await bench.run(keep, { name: "a", document: { n: 1 } });
  const one = await bench.run(backup, { file: "one.jsonl" });
  expect(one).toMatchObject({ file: join(folder, "one.jsonl"), documents: 1, bytes: await sizeOf("one.jsonl") });
  await bench.run(keep, { name: "b", document: { n: 2 } });
  const two = await bench.run(backup, { file: "two.jsonl" });
  expect(two).toMatchObject({ documents: 2, bytes: await sizeOf("two.jsonl") });
  return [one, two];
});

followsInput(restore, "brings back what is missing and leaves what is whole", async (bench) => {
  await bench.run(keep, { name: "a", document: { n: 1 } });
  await bench.run(backup, { file: "first.jsonl" });
  const unchanged = await bench.run(restore, { file: "first.jsonl" });
  expect(unchanged).toMatchObject({ documents: 1, restored: 0, unchanged: 1, conflicts: [] });

  const memory = createMemory(bench.log, bench.ctx, "bench");
  const [piece] = await memory.list("document-pieces", { prefix: "a@" });
  await memory.delete((piece as { key: string }).key, "document-pieces");
  await writeFile(join(folder, "copy.jsonl"), await readFile(join(folder, "first.jsonl")));
  const restored = await bench.run(restore, { file: "copy.jsonl" });
  expect(restored).toMatchObject({ documents: 1, restored: 1, unchanged: 0, conflicts: [] });
  expect(await bench.run(read, { name: "a" })).toMatchObject({ document: { n: 1 } });
  return [unchanged, restored];
});
