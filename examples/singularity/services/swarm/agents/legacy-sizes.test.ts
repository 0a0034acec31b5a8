import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { legacySizes } from "./legacy-sizes.ts";

followsInput(legacySizes, "lines and bytes by file and by language", async (bench) => {
  await using mixed = await plantTree({
    "a.ts": "one\ntwo\n",
    "b.ts": "no line break at its end",
    "lib.ex": "defmodule A do\nend\n",
    "README.md": "",
    "picture.bin": "x",
  });
  const first = await bench.run(legacySizes, { path: mixed.path });
  expect(first).toEqual({
    lines: 5,
    bytes: 51,
    languages: [
      { language: "TypeScript", kind: "code", files: 2, lines: 3, bytes: 32 },
      { language: "Elixir", kind: "code", files: 1, lines: 2, bytes: 19 },
      { language: "Markdown", kind: "markup", files: 1, lines: 0, bytes: 0 },
    ],
    otherFiles: 1,
    files: [
      { path: "README.md", lines: 0, bytes: 0, language: "Markdown" },
      { path: "a.ts", lines: 2, bytes: 8, language: "TypeScript" },
      { path: "b.ts", lines: 1, bytes: 24, language: "TypeScript" },
      { path: "lib.ex", lines: 2, bytes: 19, language: "Elixir" },
    ],
    skipped: [],
    findings: [],
    truncated: {},
  });

  await using gleam = await plantTree({ "src/main.gleam": "pub fn main() {}\n" });
  const second = await bench.run(legacySizes, { path: gleam.path });
  expect(second).toMatchObject({ lines: 1, languages: [{ language: "Gleam", files: 1 }], findings: [] });
  return [first, second];
});

test("files that are no plain text are findings, and the rest is counted", async () => {
  await using tree = await plantTree({ "picture.ts": "a\0b", "text.ts": "a\n" });
  await tree.write("latin.ts", new Uint8Array([0xe4, 0x0a]));
  await using bench = await openBench();
  expect(await bench.run(legacySizes, { path: tree.path })).toMatchObject({
    lines: 2,
    findings: [
      { kind: "source.encoding", file: "latin.ts" },
      { kind: "source.binary", file: "picture.ts" },
    ],
  });
});

test("what is no folder is an error, and a task that was cancelled ends", async () => {
  await using bench = await openBench();
  await expect(bench.run(legacySizes, { path: "/nowhere/at/all" })).rejects.toMatchObject({ code: "source.not_found" });
  await using tree = await plantTree({ "a.ts": "a\n" });
  const signal = AbortSignal.abort(new Error("Cancelled."));
  await expect(bench.run(legacySizes, { path: tree.path }, { signal })).rejects.toThrow("Cancelled.");
});
