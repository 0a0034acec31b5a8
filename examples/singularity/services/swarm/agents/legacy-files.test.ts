import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { legacyFiles } from "./legacy-files.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

followsInput(legacyFiles, "files with checksums, and those that are the same", async (bench) => {
  await using tree = await plantTree({
    "a.txt": "same",
    "deep/b.txt": "same",
    "c.txt": "other",
    "d.txt": "",
    "e.txt": "",
  });
  const first = await bench.run(legacyFiles, { path: tree.path });
  expect(first).toEqual({
    count: 5,
    bytes: 13,
    wastedBytes: 4,
    files: [
      { path: "a.txt", bytes: 4, sha256: sha256("same") },
      { path: "c.txt", bytes: 5, sha256: sha256("other") },
      { path: "d.txt", bytes: 0, sha256: sha256("") },
      { path: "deep/b.txt", bytes: 4, sha256: sha256("same") },
      { path: "e.txt", bytes: 0, sha256: sha256("") },
    ],
    duplicates: [{ sha256: sha256("same"), bytes: 4, count: 2, paths: ["a.txt", "deep/b.txt"] }],
    skipped: [],
    findings: [],
    truncated: {},
  });

  await using single = await plantTree({ "only.txt": "x" });
  const second = await bench.run(legacyFiles, { path: single.path });
  expect(second).toMatchObject({ count: 1, duplicates: [] });
  return [first, second];
});

test("what wastes most comes first, and of equals what is named first; a file of many pieces is hashed whole", async () => {
  const long = "0123456789abcdef".repeat(16_384);
  await using tree = await plantTree({
    b1: "two",
    b2: "two",
    a1: "six",
    a2: "six",
    long1: long,
    long2: long,
  });
  await using bench = await openBench();
  const { duplicates } = await bench.run(legacyFiles, { path: tree.path });
  expect(duplicates).toEqual([
    { sha256: sha256(long), bytes: 262_144, count: 2, paths: ["long1", "long2"] },
    { sha256: sha256("six"), bytes: 3, count: 2, paths: ["a1", "a2"] },
    { sha256: sha256("two"), bytes: 3, count: 2, paths: ["b1", "b2"] },
  ]);
});

test("what is no folder is an error, and a task that was cancelled ends", async () => {
  await using bench = await openBench();
  await expect(bench.run(legacyFiles, { path: "/nowhere/at/all" })).rejects.toMatchObject({ code: "source.not_found" });
  await using tree = await plantTree({ "a.txt": "a" });
  const signal = AbortSignal.abort(new Error("Cancelled."));
  await expect(bench.run(legacyFiles, { path: tree.path }, { signal })).rejects.toThrow("Cancelled.");
});

test("many files with long names, all the same, are an answer that fits into an event, and the sums are over all", {
  timeout: 60_000,
}, async () => {
  const folder = "a-folder-with-a-long-name/".repeat(50);
  await using tree = await plantTree(
    Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`${folder}${"f".repeat(200)}${index}`, "same"])),
  );
  await using bench = await openBench();
  const result = await bench.run(legacyFiles, { path: tree.path });
  expect(JSON.stringify(result).length).toBeLessThan(2_000_000);
  expect(result).toMatchObject({ count: 1_000, bytes: 4_000, wastedBytes: 3_996, duplicates: [{ count: 1_000 }] });
  const { files, duplicates, truncated } = result as unknown as {
    files: unknown[];
    duplicates: { paths: string[] }[];
    truncated: { files: number; "duplicates.paths": number };
  };
  expect(files.length).toBeGreaterThan(500);
  expect(truncated.files).toBe(1_000 - files.length);
  expect(duplicates[0]?.paths.length).toBe(1_000 - truncated["duplicates.paths"]);
});

test("of a file that says that it is empty nothing is read: what the kernel makes when it is read may have no end", async () => {
  await using bench = await openBench();
  const result = await bench.run(legacyFiles, { path: "/proc/self/fdinfo" });
  expect(result).toMatchObject({ bytes: 0, duplicates: [] });
  const { files } = result as unknown as { files: { bytes: number; sha256: string }[] };
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) expect(file).toMatchObject({ bytes: 0, sha256: sha256("") });
});
