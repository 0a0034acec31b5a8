import { expect } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { sizes } from "./sizes.ts";

followsInput(sizes, "lines and bytes by file and by language", async (bench) => {
  await using mixed = await plantTree({
    "a.ts": "one\ntwo\n",
    "b.ts": "no line break at its end",
    "lib.ex": "defmodule A do\nend\n",
    "README.md": "",
    "picture.bin": "x",
  });
  const first = await bench.run(sizes, { path: mixed.path });
  expect(first).toMatchObject({
    lines: 5,
    languages: [
      { language: "TypeScript", kind: "code", files: 2, lines: 3, bytes: 32 },
      { language: "Elixir", kind: "code", files: 1, lines: 2, bytes: 19 },
      { language: "Markdown", kind: "markup", files: 1, lines: 0, bytes: 0 },
    ],
    otherFiles: 1,
    files: [
      { path: "README.md", lines: 0 },
      { path: "a.ts", lines: 2 },
      { path: "b.ts", lines: 1 },
      { path: "lib.ex", lines: 2 },
    ],
  });

  await using gleam = await plantTree({ "src/main.gleam": "pub fn main() {}\n" });
  const second = await bench.run(sizes, { path: gleam.path });
  expect(second).toMatchObject({
    lines: 1,
    languages: [{ language: "Gleam", files: 1 }],
    findings: [],
  });
  return [first, second];
});
