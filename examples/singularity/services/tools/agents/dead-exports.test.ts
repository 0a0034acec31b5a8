import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { deadExports } from "./dead-exports.ts";

followsInput(
  deadExports,
  "what nobody imports is dead; what the package offers, hands on or somebody names is not",
  async (bench) => {
    await using tree = await plantTree({
      "package.json": `{ "name": "house", "exports": { ".": "./dist/index.js" }, "bin": { "house": "./dist/cli.js" } }`,
      "src/index.ts": `export { offered as renamed } from "./inner"; export * from "./all"; export * as whole from "./whole";`,
      "src/cli.ts": `import { used } from "./inner"; export const run = used;`,
      "src/inner.ts": `export const offered = 1; export const used = 2; export const dead = 3; export type Dead = 4;
export const self = 5; console.log(self);`,
      "src/all.ts": "export const a = 1; export default 2;",
      "src/whole.ts": "export const b = 1;",
      "src/lazy.ts": "export const c = 1;",
      "src/late.ts": `import("./lazy"); export const d = 1;`,
    });
    const some = await bench.run(deadExports, { path: tree.path });
    expect(some).toMatchObject({
      count: 4,
      exports: [
        { file: "src/all.ts", line: 1, name: "default", isUsedInside: false },
        { file: "src/inner.ts", line: 1, name: "dead", isUsedInside: false },
        { file: "src/inner.ts", line: 1, name: "Dead", isUsedInside: false },
        { file: "src/inner.ts", line: 2, name: "self", isUsedInside: true },
      ],
      unreferenced: ["src/late.ts"],
      entries: ["src/cli.ts", "src/index.ts"],
      findings: [],
    });

    await using tidy = await plantTree({
      "package.json": `{ "main": "./a.js" }`,
      "a.ts": `import { b } from "./b"; export const a = b;`,
      "b.ts": "export const b = 1;",
    });
    const none = await bench.run(deadExports, { path: tidy.path });
    expect(none).toMatchObject({ count: 0, exports: [], unreferenced: [], entries: ["a.ts"] });
    return [some, none];
  },
);

test("an entry whose source is not there is a finding, and tests are not judged", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "package.json": `{ "main": "./gone.js" }`,
    "a.ts": "export const a = 1;",
    "a.test.ts": `import { a } from "./a"; export const b = a;`,
  });
  expect(await bench.run(deadExports, { path: tree.path })).toMatchObject({
    count: 0,
    findings: [{ kind: "manifest.no_source", file: "package.json" }],
  });
});
