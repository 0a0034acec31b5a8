import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { dependencyInventory } from "./dependency-inventory.ts";

const manifest = JSON.stringify({ name: "house", dependencies: { zod: "^4.0.0" }, devDependencies: { knip: "6.x" } });

followsInput(
  dependencyInventory,
  "names and ranges where nothing is installed, versions and licences where it is",
  async (bench) => {
    await using tree = await plantTree({ "package.json": manifest });
    const declared = await bench.run(dependencyInventory, { path: tree.path });
    expect(declared).toMatchObject({
      count: 2,
      unknownLicences: 2,
      dependencies: [
        {
          name: "knip",
          version: "unknown",
          licence: "unknown",
          from: "manifest",
          direct: true,
          dev: true,
          range: "6.x",
        },
        { name: "zod", version: "unknown", licence: "unknown", from: "manifest", direct: true, dev: false },
      ],
    });

    await tree.write("node_modules/zod/package.json", JSON.stringify({ version: "4.6.7", license: "MIT" }));
    const installed = await bench.run(dependencyInventory, { path: tree.path });
    expect(installed).toMatchObject({
      unknownLicences: 1,
      dependencies: [{ name: "knip" }, { name: "zod", version: "4.6.7", licence: "MIT", from: "installed" }],
    });
    return [declared, installed];
  },
);

test("by what is installed: licences in every shape they were ever written", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "package.json": JSON.stringify({ dependencies: { a: "1", b: "1", c: "1", d: "1" } }),
    "node_modules/a/package.json": JSON.stringify({ version: "1.0.0", license: "MIT" }),
    "node_modules/b/package.json": JSON.stringify({ version: "1.0.1", license: { type: "ISC" } }),
    "node_modules/c/package.json": JSON.stringify({
      version: "1.0.2",
      licenses: [{ type: "MIT" }, { type: "GPL-2.0" }],
    }),
    "node_modules/d/package.json": JSON.stringify({ version: "1.0.3", scripts: { postinstall: "node x" } }),
  });
  expect(await bench.run(dependencyInventory, { path: tree.path })).toMatchObject({
    withInstallScripts: 1,
    dependencies: [
      { name: "a", version: "1.0.0", licence: "MIT", from: "installed", installScripts: false },
      { name: "b", version: "1.0.1", licence: "ISC" },
      { name: "c", version: "1.0.2", licence: "(MIT OR GPL-2.0)" },
      { name: "d", version: "1.0.3", licence: "unknown", installScripts: true },
    ],
  });
});

test("by npm's lockfile: its licences, those of what is installed, several versions, workspaces left out", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "package.json": manifest,
    "package-lock.json": JSON.stringify({
      lockfileVersion: 3,
      packages: {
        "": { name: "house" },
        "packages/own": { name: "own", version: "0.1.0" },
        "node_modules/own": { link: true, resolved: "packages/own" },
        "node_modules/zod": { version: "4.6.7", license: "MIT" },
        "node_modules/knip": { version: "6.1.0", dev: true, hasInstallScript: true },
        "node_modules/knip/node_modules/zod": { version: "3.0.0", dev: true },
      },
    }),
    "node_modules/knip/package.json": JSON.stringify({ version: "6.1.0", license: "ISC" }),
  });
  expect(await bench.run(dependencyInventory, { path: tree.path })).toMatchObject({
    count: 3,
    direct: 3,
    dependencies: [
      { name: "knip", version: "6.1.0", licence: "ISC", dev: true, installScripts: true, from: "lockfile" },
      { name: "zod", version: "3.0.0", licence: "unknown" },
      { name: "zod", version: "4.6.7", licence: "MIT", range: "^4.0.0" },
    ],
  });
});

test("by the lockfiles of pnpm and of both generations of Yarn", async () => {
  await using bench = await openBench();
  const lockfiles = {
    "pnpm-lock.yaml": `lockfileVersion: '9.0'\npackages:\n  '@a/b@1.2.3':\n    resolution: {integrity: x}\n  zod@4.6.7(peer@1.0.0):\n    resolution: {integrity: y}\n`,
    "yarn.lock": `# yarn lockfile v1\n\n\n"@a/b@^1.0.0", "@a/b@~1.2.0":\n  version "1.2.3"\n  resolved "https://x"\n\nzod@^4.0.0:\n  version "4.6.7"\n`,
    "sub/yarn.lock": `__metadata:\n  version: 8\n"@a/b@npm:^1.0.0":\n  version: 1.2.3\n  resolution: "@a/b@npm:1.2.3"\n"zod@npm:^4":\n  version: 4.6.7\n  resolution: "zod@npm:4.6.7"\n"own@workspace:.":\n  version: 0.0.0-use.local\n  resolution: "own@workspace:."\n`,
  };
  for (const [file, text] of Object.entries(lockfiles)) {
    await using tree = await plantTree({ [file]: text });
    expect(await bench.run(dependencyInventory, { path: tree.path })).toMatchObject({
      dependencies: [
        { name: "@a/b", version: "1.2.3", licence: "unknown" },
        { name: "zod", version: "4.6.7", licence: "unknown" },
      ],
    });
  }
});

test("a lockfile that is broken and a folder without a manifest are findings", async () => {
  await using bench = await openBench();
  await using broken = await plantTree({ "package.json": "{}", "package-lock.json": "{ no json" });
  expect(await bench.run(dependencyInventory, { path: broken.path })).toMatchObject({
    count: 0,
    findings: [{ kind: "source.no_source" }, { kind: "lockfile.invalid", file: "package-lock.json" }],
  });
  await using none = await plantTree({ "a.ts": "" });
  expect(await bench.run(dependencyInventory, { path: none.path })).toMatchObject({
    findings: [{ kind: "dependencies.no_manifest" }],
  });
});
