import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { fileManagement } from "./file-management.ts";

test("files with checksums, and those that are the same; a large file is read too", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "a.txt": "same",
    "deep/b.txt": "same",
    "c.txt": "other",
    "d.txt": "",
    "e.txt": "",
  });
  await tree.large("big.bin", 5 * 1024 * 1024);
  const sha256 = createHash("sha256").update("same").digest("hex");
  expect(await bench.run(fileManagement, { path: tree.path })).toMatchObject({
    count: 6,
    bytes: 4 + 4 + 5 + 5 * 1024 * 1024,
    wastedBytes: 4,
    duplicates: [{ sha256, bytes: 4, paths: ["a.txt", "deep/b.txt"] }],
    findings: [],
  });

  await using single = await plantTree({ "only.txt": "x" });
  expect(await bench.run(fileManagement, { path: single.path })).toMatchObject({ count: 1, duplicates: [] });
});
