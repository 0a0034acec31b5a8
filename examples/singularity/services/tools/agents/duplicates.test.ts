import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { duplicates } from "./duplicates.ts";

const sum = `export function sum(list: number[]): number {
  let total = 0;
  for (const each of list) {
    if (each > 0) total += each * 2;
    else total -= each / 3;
  }
  const text = \`total \${total > 10 ? { a: 1 }.a : "small"} of \${list.length}\`;
  return text.replace(/[/"]+/g, "").length + total;
}
`;

followsInput(
  duplicates,
  "a piece that stands twice, whatever its comments and white space; none in a tree without",
  async (bench) => {
    await using twice = await plantTree({
      "a.ts": `import x from "y";\n${sum}`,
      "b.ts": `const before = 1;\n\n// as in a\n${sum.replaceAll("  ", "\t").replace("else", "/* or */ else")}export const after = 2;\n`,
    });
    const first = await bench.run(duplicates, { path: twice.path });
    expect(first).toMatchObject({
      count: 1,
      duplicatedLines: 9,
      comparedLines: 23,
      duplicates: [{ lines: 9, first: { file: "a.ts", from: 2, to: 10 }, second: { file: "b.ts", from: 4, to: 12 } }],
    });

    await using once = await plantTree({ "a.ts": sum, "b.ts": "export const other = 1;\n" });
    const second = await bench.run(duplicates, { path: once.path });
    expect(second).toMatchObject({ count: 0, duplicates: [] });
    return [first, second];
  },
);

test("twice in one file, and only from the given length on", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({ "a.ts": `${sum}const between = 1;\n${sum}` });
  expect(await bench.run(duplicates, { path: tree.path })).toMatchObject({
    duplicates: [{ first: { file: "a.ts", from: 1, to: 9 }, second: { file: "a.ts", from: 11, to: 19 } }],
  });
  expect(await bench.run(duplicates, { path: tree.path, minTokens: 500 })).toMatchObject({ count: 0 });
});

test("equal imports are no duplicates", async () => {
  await using bench = await openBench();
  const imports = Array.from({ length: 30 }, (_, index) => `import { a${index} } from "./a${index}";`).join("\n");
  await using tree = await plantTree({ "a.ts": imports, "b.ts": imports });
  expect(await bench.run(duplicates, { path: tree.path, minTokens: 20, minLines: 1 })).toMatchObject({ count: 0 });
});
