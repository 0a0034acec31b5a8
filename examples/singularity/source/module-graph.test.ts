/**
 * Which file each way of importing leads to. Every test plants a tree, reads its graph and compares all edges, so an import
 * that leads somewhere else or nowhere shows.
 */
import { describe, expect, test } from "vitest";
import { plantTree } from "../testing/plant-tree.ts";
import { readModuleGraph } from "./module-graph.ts";

const task = { signal: new AbortController().signal, progress: () => undefined };

async function graphOf(files: { readonly [path: string]: string }) {
  await using tree = await plantTree(files);
  const { modules, edges, findings, externals } = await readModuleGraph(tree.path, task);
  return {
    modules,
    edges: edges.map(({ from, to, kind }) => `${from} ${kind === "static" ? "→" : kind} ${to}`),
    findings,
    externals: [...externals.keys()],
  };
}

describe("what leads where", () => {
  test("without extension, .js for .ts, with extension, a folder with an index, from one extension to another", async () => {
    const { edges, findings } = await graphOf({
      "main.ts": `import "./bare"; import "./as-js.js"; import "./with.ts"; import "./folder"; import "./m.mjs"; import "./c.cjs"; import "./view";`,
      "bare.ts": "",
      "as-js.ts": "",
      "with.ts": "",
      "folder/index.ts": "",
      "m.mts": "",
      "c.cts": "",
      "view.tsx": "export const view = <b>hello</b>;",
    });
    expect(edges).toEqual([
      "main.ts → bare.ts",
      "main.ts → as-js.ts",
      "main.ts → with.ts",
      "main.ts → folder/index.ts",
      "main.ts → m.mts",
      "main.ts → c.cts",
      "main.ts → view.tsx",
    ]);
    expect(findings).toEqual([]);
  });

  test("import, export from, dynamic import, require, import = require, types", async () => {
    const { edges } = await graphOf({
      "main.ts": `
        export * from "./a"; export { b } from "./b"; const c = import("./c"); const d = require("./d");
        import e = require("./e"); import type { F } from "./f"; import { type G } from "./g";
        let h: import("./h").H; export type * from "./i";`,
      ...Object.fromEntries("abcdefghi".split("").map((name) => [`${name}.ts`, "export {}"])),
    });
    expect(edges).toEqual([
      "main.ts → a.ts",
      "main.ts → b.ts",
      "main.ts dynamic c.ts",
      "main.ts → d.ts",
      "main.ts → e.ts",
      "main.ts type f.ts",
      "main.ts type g.ts",
      "main.ts type h.ts",
      "main.ts type i.ts",
    ]);
  });

  test("several imports of one module are one edge, of the strongest kind", async () => {
    const { edges } = await graphOf({
      "main.ts": `import type { A } from "./a"; const a = import("./a"); import { x } from "./a";`,
      "a.ts": "",
    });
    expect(edges).toEqual(["main.ts → a.ts"]);
  });

  test("paths of the nearest tsconfig, its base and one that is referred to", async () => {
    const { edges } = await graphOf({
      "app/tsconfig.json": `{ /* comments are fine */ "extends": "../base.json", "compilerOptions": { "paths": { "@/*": ["./src/*"] } } }`,
      "base.json": "{}",
      "app/src/main.ts": `import "@/deep/a";`,
      "app/src/deep/a.ts": "",
      "web/tsconfig.json": `{ "files": [], "references": [{ "path": "./tsconfig.app.json" }] }`,
      "web/tsconfig.app.json": `{ "compilerOptions": { "paths": { "~/*": ["./*"] } } }`,
      "web/main.ts": `import "~/b";`,
      "web/b.ts": "",
    });
    expect(edges).toEqual(["app/src/main.ts → app/src/deep/a.ts", "web/main.ts → web/b.ts"]);
  });

  test("packages of the tree by name, not installed, with exports that lead to sources or to output", async () => {
    const { edges, externals } = await graphOf({
      "packages/one/package.json": `{ "name": "@x/one", "exports": { ".": "./src/index.ts", "./deep/*": "./src/deep/*.ts" } }`,
      "packages/one/src/index.ts": "",
      "packages/one/src/deep/a.ts": "",
      "packages/two/package.json": `{ "name": "two", "main": "./dist/cjs/index.js" }`,
      "packages/two/src/index.ts": `import "@x/one"; import "@x/one/deep/a"; import "two"; import "left-pad"; import "node:fs";`,
      "packages/three/package.json": `{ "name": "three", "imports": { "#inner": "./lib/inner.js" } }`,
      "packages/three/src/main.ts": `import "two"; import "#inner";`,
      "packages/three/src/inner.ts": "",
    });
    expect(edges).toEqual([
      "packages/three/src/main.ts → packages/two/src/index.ts",
      "packages/three/src/main.ts → packages/three/src/inner.ts",
      "packages/two/src/index.ts → packages/one/src/index.ts",
      "packages/two/src/index.ts → packages/one/src/deep/a.ts",
      "packages/two/src/index.ts → packages/two/src/index.ts",
    ]);
    expect(externals).toEqual(["left-pad"]);
  });

  test("a module and not its declaration, which is no module of its own", async () => {
    const { modules, edges } = await graphOf({ "main.js": `import "./a";`, "a.js": "", "a.d.ts": "", "b.d.ts": "" });
    expect(modules).toEqual(["a.js", "b.d.ts", "main.js"]);
    expect(edges).toEqual(["main.js → a.js"]);
  });
});

describe("what is wrong", () => {
  test("broken syntax is a finding with file and line, and what could be read counts", async () => {
    const { modules, edges, findings } = await graphOf({
      "good.ts": `import "./broken";`,
      "broken.ts": `import "./good";\n\nconst = 1;\n`,
    });
    expect(modules).toEqual(["broken.ts", "good.ts"]);
    expect(edges).toEqual(["broken.ts → good.ts", "good.ts → broken.ts"]);
    expect(findings[0]).toMatchObject({ kind: "syntax", file: "broken.ts", line: 3 });
  });

  test("an import that leads nowhere", async () => {
    const { findings } = await graphOf({ "a.ts": `\nimport "./gone";\nimport "~/alias";` });
    expect(findings).toMatchObject([
      { kind: "import.unresolved", file: "a.ts", line: 2 },
      { kind: "import.unresolved", file: "a.ts", line: 3 },
    ]);
  });

  test("styles, data and files that a build will make are no modules and no mistakes", async () => {
    const { edges, findings } = await graphOf({
      "package.json": "{}",
      "a.ts": `import "./a.css"; import data from "./data.json"; import "./dist/made.js";`,
      "a.css": "",
      "data.json": "{}",
      "dist/made.js": "",
    });
    expect(edges).toEqual([]);
    expect(findings).toEqual([]);
  });

  test("a manifest and a tsconfig that are not what they should be", async () => {
    const { findings } = await graphOf({
      "a.ts": `import "./b";`,
      "b.ts": "",
      "package.json": "{ no json",
      "tsconfig.json": `{ "extends": "./gone.json" }`,
    });
    expect(findings.map(({ kind, file }) => `${kind} ${file}`)).toEqual([
      "manifest.invalid package.json",
      "tsconfig tsconfig.json",
    ]);
  });

  test("an expression that is nested deeper than the parser's stack loses its own file only", async () => {
    const { modules, findings } = await graphOf({ "deep.ts": `${"(".repeat(50_000)}1`, "good.ts": "" });
    expect(modules).toContain("good.ts");
    expect(findings.some((each) => each.kind === "syntax" && each.file === "deep.ts")).toBe(true);
  });
});
