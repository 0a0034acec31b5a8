// Every import of every source file, found by a parser. Each rule is also broken once, in a little house.
import { describe, expect, it } from "vitest";
import { checkImports, checkServices, findServices } from "./imports.ts";
import { littleHouse } from "./little-house.ts";
import { readSource } from "./source.ts";
import { plant, readTree, sourcePaths } from "./tree.ts";

const tree = readTree();
const plantedIn = (path: string, text: string): string[] => checkImports(plant(littleHouse, { [path]: text }));

describe("an import is declared, stays at home, and goes through the door", () => {
  it("holds here", () => {
    expect(sourcePaths(tree).length).toBeGreaterThan(50);
    expect(checkImports(tree)).toEqual([]);
  });
  it("holds in the little house", () => expect(checkImports(littleHouse)).toEqual([]));

  it.each([
    [
      "a package that is not declared",
      'import { z } from "zod";',
      /zod is not in packages\/log\/package.json. Declare it/,
    ],
    ["a room that is not declared", 'import "viable";', /viable is not in packages\/log\/package.json/],
    ["a room that does not exist", 'import "@viable/attic";', /no such room/],
    [
      "a path that leaves the package",
      'export * from "../../kernel/src/clock.ts";',
      /leaves packages\/log. Import the other/,
    ],
    ["a deep import", 'import { now } from "@viable/kernel/src/clock.ts";', /does not export .\/src\/clock.ts/],
    ["Node in a browser-safe room", 'import { readFile } from "node:fs/promises";', /also runs in browsers/],
    ["a built-in module without its prefix", 'import { join } from "path";', /Write node:path/],
    ["its own door", 'import { time } from "@viable/log";', /does not go out by its own door/],
    ["a dynamic import", 'const load = () => import("zod");', /zod is not in/],
    ["an imported type", 'export type Schema = import("zod").ZodType;', /zod is not in/],
    ["a resolved name", 'const at = import.meta.resolve("zod");', /zod is not in/],
    ["a file outside by its address", 'const at = new URL("../../kernel/package.json", import.meta.url);', /leaves/],
    ["an import over several lines", 'import {\n  z,\n} from "zod";', /:1: imports zod/],
    ["test tools in the product", 'import { it } from "vitest";', /vitest is not in/],
  ])("refuses %s", (_what, text, refusal) => {
    expect(plantedIn("packages/log/src/planted.ts", text)).toEqual([expect.stringMatching(refusal)]);
  });

  it("refuses a concrete adapter outside the composition root", () => {
    const manifest = JSON.stringify({ name: "@viable/queen", dependencies: { "@viable/log-postgres": "0.1.0" } });
    const refusals = checkImports(
      plant(littleHouse, {
        "packages/queen/package.json": manifest,
        "packages/queen/src/index.ts": 'import "@viable/log-postgres";',
      }),
    );
    expect(refusals).toEqual([expect.stringMatching(/Only viable, tests and bench know @viable\/log-postgres/)]);
  });

  it("refuses a root test that reaches into a package by path", () => {
    expect(plantedIn("test/e2e/planted.test.ts", 'import "../../packages/log/src/index.ts";')).toEqual([
      expect.stringMatching(/leaves the root's own folders/),
    ]);
  });

  it("does not mistake text for an import", () => {
    expect(plantedIn("packages/log/src/planted.ts", 'export const text = "import { z } from \\"zod\\"";')).toEqual([]);
  });

  it.each([
    ["test tools and Node in a test", "packages/log/src/planted.test.ts", 'import "vitest";\nimport "node:fs";'],
    ["its own door in a test", "packages/log/src/planted.test.ts", 'import "@viable/log/testing";'],
    ["test tools in what an example's tests are made of", "examples/town/testing/planted.ts", 'import "vitest";'],
    ["any room in a root test", "test/e2e/planted.test.ts", 'import "@viable/log-postgres";'],
    ["Node in a room for servers", "packages/viable/src/planted.ts", 'import "node:fs";'],
  ])("allows %s", (_what, path, text) => {
    expect(plantedIn(path, text)).toEqual([]);
  });

  it("reads the names and lines of imports", () => {
    const { specifiers } = readSource(
      "planted.ts",
      'const é = 1;\nimport { a as b, type C } from "x";\nexport { é };\n',
    );
    expect(specifiers).toEqual([{ value: "x", line: 2, names: ["a", "C"] }]);
  });
});

describe("a service knows others by capability only", () => {
  it("holds here", () => expect(checkServices(tree)).toEqual([]));

  it("finds services by what they define", () => {
    expect(findServices(littleHouse)).toEqual(["examples/town/baker", "examples/town/miller"]);
    expect(checkServices(littleHouse)).toEqual([]);
  });

  it("refuses an import from one service into another", () => {
    const text = 'import { bake } from "../baker/bake.ts";\nexport { bake };\n';
    expect(checkServices(plant(littleHouse, { "examples/town/miller/grind.ts": text }))).toEqual([
      expect.stringMatching(/belongs to the service baker. Ask for the capability with ctx.delegate/),
    ]);
  });
});
