/**
 * Two services inventory dependencies, each by code of its own, and analyze takes either: both are asked by capability for the same trees.
 * On each of these trees they say the same; of those that are easily read wrong, what is right by the package manager's own rules stands here.
 */
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { plantTree } from "../../testing/plant-tree.ts";
import { type AgentBench, openBench } from "../../testing/run-agent.ts";
import config from "../../viable.config.ts";
import { treeReader } from "./agents/tree-reader.ts";

type Named = { [field: string]: unknown };

async function compare(bench: AgentBench, files: { readonly [path: string]: string }): Promise<[Named[], Named[]]> {
  await using tree = await plantTree(files);
  const other = config.services
    .flatMap((each) => each.agents)
    .find((each) => each.capability === "dependency_inventory");
  if (other === undefined) throw new Error("The system has no other inventory to compare with.");
  const read = async (agent: typeof other) => {
    const { dependencies } = (await bench.run(agent, { path: tree.path })) as JsonObject & { dependencies: Named[] };
    // What only one of them says at all: who named the licence, and whether the package is installed.
    return dependencies.map(({ licenceFrom: _, installed: __, ...same }) => same);
  };
  return [await read(treeReader), await read(other)];
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

test.for([
  [
    "an alias is one package under its own name",
    {
      "package.json": json({ dependencies: { old: "npm:zod@^3" } }),
      "package-lock.json": json({ packages: { "node_modules/old": { name: "zod", version: "3.0.0" } } }),
    },
    [{ name: "zod", version: "3.0.0", direct: true, range: "npm:zod@^3" }],
  ],
  [
    "of two versions that one is direct which the manifest gets",
    {
      "package.json": manifest,
      "package-lock.json": json({
        packages: {
          "node_modules/zod": { version: "4.6.7" },
          "node_modules/knip": { version: "6.1.0" },
          "node_modules/knip/node_modules/zod": { version: "3.0.0" },
        },
      }),
    },
    [
      { name: "knip", direct: true, range: "6.x" },
      { name: "zod", version: "3.0.0", direct: false },
      { name: "zod", version: "4.6.7", direct: true, range: "^4.0.0" },
    ],
  ],
  [
    "a fixture named like a dependency hides none",
    {
      "package.json": manifest,
      "package-lock.json": json({ packages: { "node_modules/zod": { version: "4.6.7" } } }),
      "test/fixtures/zod/package.json": json({ name: "zod" }),
    },
    [
      { name: "knip", version: "unknown" },
      { name: "zod", version: "4.6.7", direct: true },
    ],
  ],
  [
    "a licence is known that only pnpm's own folder has",
    {
      "package.json": "{}",
      "pnpm-lock.yaml": `lockfileVersion: '9.0'\npackages:\n  inner@1.0.0:\n    resolution: {integrity: x}\n`,
      "node_modules/.pnpm/inner@1.0.0/node_modules/inner/package.json": json({
        name: "inner",
        version: "1.0.0",
        license: "MIT",
      }),
    },
    [{ name: "inner", licence: "MIT" }],
  ],
  [
    "a licence is known that only a folder within another package has",
    {
      "package.json": "{}",
      "yarn.lock": `outer@^1:\n  version "1.0.0"\n\ninner@^1:\n  version "1.0.0"\n`,
      "node_modules/outer/node_modules/inner/package.json": json({ name: "inner", version: "1.0.0", license: "MIT" }),
    },
    [
      { name: "inner", licence: "MIT" },
      { name: "outer", licence: "unknown" },
    ],
  ],
  [
    "what running may need too is not for work alone, and an optional peer that is absent is none",
    {
      "package.json": json({ peerDependencies: { react: "*" }, peerDependenciesMeta: { react: { optional: true } } }),
      "package-lock.json": json({ packages: { "node_modules/both": { version: "1.0.0", devOptional: true } } }),
    },
    [{ name: "both", dev: false }],
  ],
  [
    "where Yarn does not say what is for work alone, what a manifest has for work may be needed to run",
    {
      "package.json": json({ dependencies: { debug: "^4" }, devDependencies: { ms: "^2" } }),
      "yarn.lock": `debug@^4:\n  version "4.0.0"\n  dependencies:\n    ms "^2"\n\nms@^2:\n  version "2.1.3"\n`,
    },
    [{ name: "debug", dev: false }, expect.not.objectContaining({ dev: expect.anything() })],
  ],
  [
    "pnpm says which manifest gets which version",
    {
      "package.json": json({ devDependencies: { zod: "^4" } }),
      "packages/a/package.json": json({ dependencies: { zod: "^3" } }),
      "pnpm-lock.yaml":
        "lockfileVersion: '9.0'\nimporters:\n  .:\n    devDependencies:\n      zod: {specifier: ^4, version: 4.6.7}\n  packages/a:\n    dependencies:\n      zod: {specifier: ^3, version: 3.0.0}\npackages:\n  zod@4.6.7: {}\n  zod@3.0.0: {}\n",
    },
    [
      { version: "3.0.0", range: "^3" },
      { version: "4.6.7", range: "^4" },
    ],
  ],
  [
    "npm's lockfile is about workspaces: a fixture does not get what lies above it",
    {
      "package.json": "{}",
      "package-lock.json": json({ packages: { "": {}, "node_modules/zod": { version: "4.6.7" } } }),
      "test/fixtures/a/package.json": json({ dependencies: { zod: "^3" } }),
    },
    [{ version: "4.6.7", direct: false }],
  ],
  [
    "pnpm marks everything optional as to be built, whether it is or not",
    {
      "package.json": "{}",
      "pnpm-lock.yaml": "lockfileVersion: '6.0'\npackages:\n  /fsevents@2.3.3: {requiresBuild: true, optional: true}\n",
    },
    [expect.not.objectContaining({ installScripts: expect.anything() })],
  ],
  [
    "without a lockfile a fixture of no version is not what a manifest asks for",
    { "package.json": manifest, "test/fixtures/zod/package.json": json({ name: "zod" }) },
    [{ name: "knip" }, { name: "zod", range: "^4.0.0" }],
  ],
  [
    "a folder of the tree is no dependency where pnpm locks it",
    {
      "package.json": json({ dependencies: { own: "file:./own", ms: "^2" } }),
      "own/package.json": json({ name: "own", version: "1.0.0" }),
      "pnpm-lock.yaml":
        "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      ms: {specifier: ^2, version: 2.1.3}\n      own: {specifier: 'file:./own', version: 'file:own'}\npackages:\n  ms@2.1.3: {}\n  own@file:own:\n    resolution: {directory: own, type: directory}\n",
    },
    [{ name: "ms", version: "2.1.3", direct: true }],
  ],
  [
    "a folder of the tree is no dependency where Yarn locks it",
    {
      "package.json": json({ dependencies: { own: "file:./own", linked: "link:./own", ms: "^2" } }),
      "own/package.json": json({ name: "own", version: "1.0.0" }),
      "yarn.lock": `"linked@link:./own":\n  version "0.0.0"\n\nms@^2:\n  version "2.1.3"\n\n"own@file:./own":\n  version "1.0.0"\n`,
    },
    [{ name: "ms", version: "2.1.3", direct: true }],
  ],
  [
    "a manifest gets what Yarn's resolutions put in place of its range",
    {
      "package.json": json({ dependencies: { ms: "^1" }, resolutions: { ms: "2.1.3" } }),
      "yarn.lock": `__metadata:\n  version: 8\n"ms@npm:2.1.3":\n  version: 2.1.3\n  resolution: "ms@npm:2.1.3"\n`,
    },
    [{ name: "ms", version: "2.1.3", direct: true, range: "^1" }],
  ],
  [
    "pnpm writes a registry of one's own in front of the name",
    {
      "package.json": json({ dependencies: { "@house/log": "^1" } }),
      "pnpm-lock.yaml":
        "lockfileVersion: 5.4\ndependencies:\n  '@house/log': npm.house.io/@house/log/1.2.3\npackages:\n  npm.house.io/@house/log/1.2.3: {dev: false}\n",
    },
    [{ name: "@house/log", version: "1.2.3", direct: true, range: "^1" }],
  ],
  [
    "an optional peer that is asked for to work with is asked for",
    {
      "package.json": json({
        peerDependencies: { react: "*" },
        peerDependenciesMeta: { react: { optional: true } },
        devDependencies: { react: "19.x" },
      }),
    },
    [{ name: "react", range: "19.x", dev: true }],
  ],
] as const)("both say that %s", async ([, files, right]) => {
  await using bench = await openBench();
  const [mine, other] = await compare(bench, files);
  expect(mine).toMatchObject(right);
  expect(mine).toEqual(other);
});
