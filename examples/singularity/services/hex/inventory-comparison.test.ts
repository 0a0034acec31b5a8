/**
 * Two services inventory dependencies, and analyze takes either: both are asked by capability for the same trees. Where a tree is plain they
 * say the same of every package; where they differ, the difference is one of those named here, each with what Node or npm does.
 */
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { plantTree } from "../../testing/plant-tree.ts";
import { type AgentBench, openBench } from "../../testing/run-agent.ts";
import config from "../../viable.config.ts";
import { treeReader } from "./agents/tree-reader.ts";

type Named = { name: string; version: string; licence: string; direct: boolean; dev?: boolean; range?: string };

async function compare(bench: AgentBench, files: { readonly [path: string]: string }): Promise<[Named[], Named[]]> {
  await using tree = await plantTree(files);
  const other = config.services
    .flatMap((each) => each.agents)
    .find((each) => each.capability === "dependency_inventory");
  if (other === undefined) throw new Error("The system has no other inventory to compare with.");
  const read = async (agent: typeof other) => {
    const { dependencies } = (await bench.run(agent, { path: tree.path })) as JsonObject & { dependencies: Named[] };
    return dependencies.map(({ name, version, licence, direct, dev, range }) => ({
      name,
      version,
      licence,
      direct,
      dev,
      range,
    }));
  };
  return [(await read(treeReader)) as Named[], (await read(other)) as Named[]];
}

const json = (value: unknown) => JSON.stringify(value);
const manifest = json({ name: "house", dependencies: { zod: "^4.0.0" }, devDependencies: { knip: "6.x" } });

test("of plain trees both say the same", async () => {
  await using bench = await openBench();
  const trees = [
    { "package.json": manifest },
    {
      "package.json": manifest,
      "package-lock.json": json({
        packages: {
          "node_modules/zod": { version: "4.6.7", license: "MIT" },
          "node_modules/knip": { version: "6.1.0", dev: true },
          "node_modules/inner": { version: "1.0.0", dev: true, license: "ISC" },
        },
      }),
      "node_modules/knip/package.json": json({ name: "knip", version: "6.1.0", license: "ISC" }),
    },
    {
      "package.json": manifest,
      "node_modules/zod/package.json": json({ name: "zod", version: "4.6.7", licenses: [{ type: "MIT" }] }),
    },
    { "package.json": "{}", "yarn.lock": `# yarn lockfile v1\n\n\nzod@^4.0.0:\n  version "4.6.7"\n` },
    { "a.ts": "" },
  ];
  for (const files of trees) {
    const [mine, other] = await compare(bench, files);
    expect(mine).toEqual(other);
  }
});

test("an alias: one package under its own name, where the other has a second one under the alias", async () => {
  await using bench = await openBench();
  const [mine, other] = await compare(bench, {
    "package.json": json({ dependencies: { old: "npm:zod@^3" } }),
    "package-lock.json": json({ packages: { "node_modules/old": { name: "zod", version: "3.0.0" } } }),
  });
  expect(mine).toMatchObject([{ name: "zod", version: "3.0.0", direct: true, range: "npm:zod@^3" }]);
  expect(other).toMatchObject([{ name: "old" }, { name: "zod", direct: false }]);
});

test("several versions: direct is the one that the manifest gets, where the other calls all of them so", async () => {
  await using bench = await openBench();
  const [mine, other] = await compare(bench, {
    "package.json": manifest,
    "package-lock.json": json({
      packages: {
        "node_modules/zod": { version: "4.6.7" },
        "node_modules/knip": { version: "6.1.0" },
        "node_modules/knip/node_modules/zod": { version: "3.0.0" },
      },
    }),
  });
  expect(mine.filter((each) => each.direct).map((each) => each.version)).toEqual(["6.1.0", "4.6.7"]);
  expect(other.filter((each) => each.direct).map((each) => each.version)).toEqual(["6.1.0", "3.0.0", "4.6.7"]);
});

test("a fixture named like a dependency: it stays one, where the other takes the fixture for it", async () => {
  await using bench = await openBench();
  const [mine, other] = await compare(bench, {
    "package.json": manifest,
    "package-lock.json": json({ packages: { "node_modules/zod": { version: "4.6.7" } } }),
    "test/fixtures/zod/package.json": json({ name: "zod" }),
  });
  expect(mine.map((each) => each.name)).toEqual(["knip", "zod"]);
  expect(other.map((each) => each.name)).toEqual(["knip"]);
});

test("a licence that only pnpm's own folder, or a nested one, has: known, where the other looks at the top alone", async () => {
  await using bench = await openBench();
  const inner = json({ name: "inner", version: "1.0.0", license: "MIT" });
  const lock = `lockfileVersion: '9.0'\npackages:\n  inner@1.0.0:\n    resolution: {integrity: x}\n`;
  const [mine, other] = await compare(bench, {
    "package.json": "{}",
    "pnpm-lock.yaml": lock,
    "node_modules/.pnpm/inner@1.0.0/node_modules/inner/package.json": inner,
  });
  expect(mine).toMatchObject([{ name: "inner", licence: "MIT" }]);
  expect(other).toMatchObject([{ name: "inner", licence: "unknown" }]);
});

test("what production may need too is not for work alone, and an optional peer that is absent is none", async () => {
  await using bench = await openBench();
  const [mine, other] = await compare(bench, {
    "package.json": json({ peerDependencies: { react: "*" }, peerDependenciesMeta: { react: { optional: true } } }),
    "package-lock.json": json({ packages: { "node_modules/both": { version: "1.0.0", devOptional: true } } }),
  });
  expect(mine).toMatchObject([{ name: "both", dev: false }]);
  expect(other).toMatchObject([
    { name: "both", dev: true },
    { name: "react", version: "unknown" },
  ]);
});
