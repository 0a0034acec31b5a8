import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { fileManagement } from "./file-management.ts";

followsInput(
  fileManagement,
  "files with checksums, and those that are the same; a large file is read too",
  async (bench) => {
    await using tree = await plantTree({
      "a.txt": "same",
      "deep/b.txt": "same",
      "c.txt": "other",
      "d.txt": "",
      "e.txt": "",
    });
    await tree.large("big.bin", 5 * 1024 * 1024);
    const sha256 = createHash("sha256").update("same").digest("hex");
    const first = await bench.run(fileManagement, { path: tree.path });
    expect(first).toMatchObject({
      count: 6,
      bytes: 4 + 4 + 5 + 5 * 1024 * 1024,
      wastedBytes: 4,
      duplicates: [{ sha256, bytes: 4, count: 2, paths: ["a.txt", "deep/b.txt"] }],
      findings: [],
    });

    await using single = await plantTree({ "only.txt": "x" });
    const second = await bench.run(fileManagement, { path: single.path });
    expect(second).toMatchObject({ count: 1, duplicates: [] });
    return [first, second];
  },
);

test("many files with long names, all the same, are an answer that fits into an event, and the sums are over all", {
  timeout: 60_000,
}, async () => {
  const folder = "a-folder-with-a-long-name/".repeat(50);
  await using tree = await plantTree(
    Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`${folder}${"f".repeat(200)}${index}`, "same"])),
  );
  await using bench = await openBench();
  const result = await bench.run(fileManagement, { path: tree.path });
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
  const sha256 = createHash("sha256").digest("hex");
  const result = await bench.run(fileManagement, { path: "/proc/self/fdinfo" });
  expect(result).toMatchObject({ bytes: 0, duplicates: [] });
  const { files } = result as unknown as { files: { bytes: number; sha256: string }[] };
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) expect(file).toMatchObject({ bytes: 0, sha256 });
});
