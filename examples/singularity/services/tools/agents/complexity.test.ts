import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { complexity } from "./complexity.ts";

followsInput(complexity, "counts every kind of decision once, and functions by themselves", async (bench) => {
  await using tree = await plantTree({
    "plain.ts": "export const one = 1;\nexport function two() {\n  return 2;\n}\n",
    "branches.ts": `
      export class Stack {
        push(a, b) { if (a && b) { for (const x of a) while (x) { do {} while (b ?? a); } } return a ? b : (a ||= b); }
        get top() { switch (this.x) { case 1: case 2: return 1; default: return 0; } }
      }
      export const outer = () => { const inner = (e) => { try { e(); } catch { for (;;) {} for (const k in e) {} } }; return inner; };`,
  });
  const branching = await bench.run(complexity, { path: tree.path });
  expect(branching).toMatchObject({
    files: [
      // push 9, top 3, outer 1, inner 4, and the module's own body 1
      { path: "branches.ts", lines: 6, complexity: 18, functions: 4 },
      { path: "plain.ts", lines: 4, complexity: 2, functions: 1 },
    ],
    functions: [
      { file: "branches.ts", name: "Stack.push", line: 3, complexity: 9 },
      { file: "branches.ts", name: "inner", line: 6, complexity: 4 },
      { file: "branches.ts", name: "Stack.top", line: 4, complexity: 3 },
      { name: "outer", complexity: 1 },
      { name: "two", complexity: 1 },
    ],
    functionCount: 5,
  });

  await using straight = await plantTree({ "a.ts": "export const one = 1;\n" });
  const plain = await bench.run(complexity, { path: straight.path });
  expect(plain).toMatchObject({ files: [{ path: "a.ts", lines: 1, complexity: 1, functions: 0 }], functionCount: 0 });
  return [branching, plain];
});

test("broken syntax is a finding and the other files are measured; a binary file that is named like source is not", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({ "good.ts": "if (1) {}", "broken.ts": "function (" });
  await tree.write("binary.ts", new Uint8Array([0, 1, 2]));
  const result = await bench.run(complexity, { path: tree.path });
  expect(result).toMatchObject({ files: [{ path: "broken.ts" }, { path: "good.ts", complexity: 2 }] });
  expect(result.findings).toMatchObject([
    { kind: "source.binary", file: "binary.ts" },
    { kind: "syntax", file: "broken.ts", line: 1 },
    ...Array.from({ length: (result.findings as unknown[]).length - 2 }, () => ({ file: "broken.ts" })),
  ]);
});
