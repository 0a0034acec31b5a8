import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { graph } from "./graph.ts";

followsInput(graph, "modules and the imports between them", async (bench) => {
  await using chain = await plantTree({ "a.ts": `import "./b"; import "zod";`, "b.ts": `import "./c";`, "c.ts": "" });
  const first = await bench.run(graph, { path: chain.path });
  expect(first).toMatchObject({
    modules: 3,
    edges: 2,
    imports: [
      { from: "a.ts", to: "b.ts", line: 1, kind: "static" },
      { from: "b.ts", to: "c.ts", line: 1, kind: "static" },
    ],
    externals: [{ name: "zod", importers: 1 }],
    truncated: {},
  });

  await using star = await plantTree({ "hub.js": "", "x.js": `require("./hub")`, "y.js": `require("./hub")` });
  const second = await bench.run(graph, { path: star.path });
  expect(second).toMatchObject({ modules: 3, edges: 2, externals: [] });
  return [first, second];
});

test("an empty folder and one without source have no modules, and say why", async () => {
  await using bench = await openBench();
  await using empty = await plantTree();
  expect(await bench.run(graph, { path: empty.path })).toMatchObject({
    modules: 0,
    edges: 0,
    findings: [{ kind: "source.empty" }],
  });
  await using notes = await plantTree({ "notes.md": "# Notes" });
  expect(await bench.run(graph, { path: notes.path })).toMatchObject({
    modules: 0,
    findings: [{ kind: "source.no_source" }],
  });
});

test("an aborted run ends with the reason", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({ "a.ts": "" });
  const signal = AbortSignal.abort(new Error("cancelled by its owner"));
  await expect(bench.run(graph, { path: tree.path }, { signal })).rejects.toThrow("cancelled by its owner");
});
