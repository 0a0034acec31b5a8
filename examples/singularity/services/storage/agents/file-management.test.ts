import { createHash } from "node:crypto";
import { expect } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
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
      duplicates: [{ sha256, bytes: 4, paths: ["a.txt", "deep/b.txt"] }],
      findings: [],
    });

    await using single = await plantTree({ "only.txt": "x" });
    const second = await bench.run(fileManagement, { path: single.path });
    expect(second).toMatchObject({ count: 1, duplicates: [] });
    return [first, second];
  },
);
