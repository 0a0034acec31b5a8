import { dirname, join } from "node:path";
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
    direct: 2,
    dependencies: [
      { name: "knip", version: "6.1.0", licence: "ISC", dev: true, installScripts: true, from: "lockfile" },
      { name: "zod", version: "3.0.0", licence: "unknown", direct: false },
      { name: "zod", version: "4.6.7", licence: "MIT", direct: true, range: "^4.0.0" },
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

test("what an optional part of the running tree needs too is not for work alone", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "package.json": "{}",
    "package-lock.json": JSON.stringify({
      packages: {
        "node_modules/both": { version: "1.0.0", devOptional: true },
        "node_modules/tool": { version: "1.0.0", dev: true },
      },
    }),
  });
  expect(await bench.run(dependencyInventory, { path: tree.path })).toMatchObject({
    dependencies: [
      { name: "both", dev: false },
      { name: "tool", dev: true },
    ],
  });
});

test("an optional peer is a dependency where it is installed, or where another field asks for it", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "package.json": JSON.stringify({
      peerDependencies: { must: "*", react: "*", vue: "*", svelte: "*" },
      peerDependenciesMeta: { react: { optional: true }, vue: { optional: true }, svelte: { optional: true } },
      devDependencies: { svelte: "5.x" },
    }),
    "node_modules/react/package.json": JSON.stringify({ name: "react", version: "19.0.0", license: "MIT" }),
  });
  const { dependencies, count } = await bench.run(dependencyInventory, { path: tree.path });
  expect(dependencies).toMatchObject([
    { name: "must", version: "unknown", dev: false },
    { name: "react", version: "19.0.0", dev: false },
    { name: "svelte", range: "5.x", dev: true },
  ]);
  expect(count).toBe(3);
});

const zod3And4 = {
  npm: [
    "package-lock.json",
    JSON.stringify({
      packages: {
        "node_modules/knip": { version: "6.1.0", dev: true },
        "node_modules/knip/node_modules/zod": { version: "3.0.0", dev: true },
        "node_modules/zod": { version: "4.6.7" },
      },
    }),
  ],
  "npm 6": [
    "package-lock.json",
    JSON.stringify({
      dependencies: {
        knip: { version: "6.1.0", dev: true, dependencies: { zod: { version: "3.0.0", dev: true } } },
        zod: { version: "4.6.7" },
      },
    }),
  ],
  "Yarn 1": [
    "yarn.lock",
    `knip@6.x:\n  version "6.1.0"\n\nzod@^3.0.0:\n  version "3.0.0"\n\n"zod@>=4 <5", zod@^4.0.0:\n  version "4.6.7"\n`,
  ],
  "Yarn 4": [
    "yarn.lock",
    `__metadata:\n  version: 8\n"knip@npm:6.x":\n  version: 6.1.0\n  resolution: "knip@npm:6.1.0"\n"zod@npm:^3.0.0":\n  version: 3.0.0\n  resolution: "zod@npm:3.0.0"\n"zod@npm:>=4 <5, zod@npm:^4.0.0":\n  version: 4.6.7\n  resolution: "zod@npm:4.6.7"\n`,
  ],
  "pnpm 7": [
    "pnpm-lock.yaml",
    "lockfileVersion: 5.4\nspecifiers:\n  zod: ^4.0.0\ndependencies:\n  zod: 4.6.7_peer@1.0.0\ndevDependencies:\n  knip: 6.1.0\npackages:\n  /knip/6.1.0: {dev: true}\n  /zod/3.0.0: {dev: true}\n  /zod/4.6.7_peer@1.0.0: {dev: false}\n",
  ],
  "pnpm 8": [
    "pnpm-lock.yaml",
    "lockfileVersion: '6.0'\ndependencies:\n  zod: {specifier: ^4.0.0, version: 4.6.7(peer@1.0.0)}\ndevDependencies:\n  knip: {specifier: 6.x, version: 6.1.0}\npackages:\n  /knip@6.1.0: {dev: true}\n  /zod@3.0.0: {dev: true}\n  /zod@4.6.7(peer@1.0.0): {dev: false}\n",
  ],
  "pnpm 9": [
    "pnpm-lock.yaml",
    "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      zod: {specifier: ^4.0.0, version: 4.6.7(peer@1.0.0)}\n    devDependencies:\n      knip: {specifier: 6.x, version: 6.1.0}\npackages:\n  knip@6.1.0: {}\n  zod@3.0.0: {}\n  zod@4.6.7: {}\nsnapshots:\n  zod@4.6.7(peer@1.0.0): {}\n",
  ],
} as const;

test.for(Object.entries(zod3And4))(
  "of two versions, that one is direct which the manifest gets: %s",
  async ([, [file, text]]) => {
    await using bench = await openBench();
    await using tree = await plantTree({ "package.json": manifest, [file]: text });
    const { dependencies, count } = await bench.run(dependencyInventory, { path: tree.path });
    expect(dependencies).toMatchObject([
      { name: "knip", version: "6.1.0", direct: true, range: "6.x" },
      { name: "zod", version: "3.0.0", direct: false },
      { name: "zod", version: "4.6.7", direct: true, range: "^4.0.0", dev: false },
    ]);
    expect((dependencies as object[])[1]).not.toHaveProperty("range");
    expect(count).toBe(3);
  },
);

const aliased = {
  "package-lock.json": JSON.stringify({
    packages: { "node_modules/old": { name: "zod", version: "3.0.0" } },
  }),
  "npm-shrinkwrap.json": JSON.stringify({ dependencies: { old: { version: "npm:zod@3.0.0" } } }),
  "yarn.lock": `"old@npm:zod@^3":\n  version "3.0.0"\n`,
  "pnpm-lock.yaml":
    "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      old: {specifier: npm:zod@^3, version: zod@3.0.0}\npackages:\n  zod@3.0.0: {}\n",
  "berry/yarn.lock": `__metadata:\n  version: 8\n"old@npm:zod@^3":\n  version: 3.0.0\n  resolution: "zod@npm:3.0.0"\n`,
  "v5/pnpm-lock.yaml": "lockfileVersion: 5.4\ndependencies:\n  old: /zod/3.0.0\npackages:\n  /zod/3.0.0: {}\n",
  "v6/pnpm-lock.yaml":
    "lockfileVersion: '6.0'\ndependencies:\n  old: {specifier: npm:zod@^3, version: /zod@3.0.0}\npackages:\n  /zod@3.0.0: {}\n",
  "node_modules/old/package.json": JSON.stringify({ name: "zod", version: "3.0.0" }),
};

test.for(Object.entries(aliased))("an alias is one package under its own name: %s", async ([file, text]) => {
  await using bench = await openBench();
  await using tree = await plantTree({ [file]: text });
  const isInFolder = /^(berry|v5|v6)\//.test(file);
  const asking = JSON.stringify({ dependencies: { old: "npm:zod@^3" } });
  await tree.write(isInFolder ? join(dirname(file), "package.json") : "package.json", asking);
  const { dependencies, count } = await bench.run(dependencyInventory, { path: tree.path });
  expect(dependencies).toMatchObject([{ name: "zod", version: "3.0.0", direct: true, range: "npm:zod@^3" }]);
  expect(count).toBe(1);
});

test("a package that pnpm has once for each set of peers is for work alone where all of them are", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "pnpm-lock.yaml":
      "lockfileVersion: 5.4\npackages:\n  /a/1.0.0: {dev: false}\n  /a/1.0.0_peer@1.0.0: {dev: true}\n  /b/1.0.0: {}\n  /b/1.0.0_peer@1.0.0: {dev: true}\n  /c/1.0.0: {dev: true}\n  /c/1.0.0_peer@1.0.0: {dev: true}\n",
  });
  const { dependencies } = await bench.run(dependencyInventory, { path: tree.path });
  const dev = (dependencies as { name: string; dev?: boolean }[]).map((each) => [each.name, each.dev]);
  expect(dev).toEqual([
    ["a", false],
    ["b", undefined],
    ["c", true],
  ]);
});

test("pnpm marks everything optional as to be built: of that, what is installed says whether it runs code", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "pnpm-lock.yaml":
      "lockfileVersion: '6.0'\npackages:\n  /a@1.0.0: {requiresBuild: true}\n  /b@1.0.0: {requiresBuild: true, optional: true}\n  /c@1.0.0: {requiresBuild: true, optional: true}\n",
    "node_modules/.pnpm/c@1.0.0/node_modules/c/package.json": JSON.stringify({ name: "c", version: "1.0.0" }),
  });
  const { dependencies, withInstallScripts } = await bench.run(dependencyInventory, { path: tree.path });
  const scripts = (dependencies as { installScripts?: boolean }[]).map((each) => each.installScripts);
  expect(scripts).toEqual([true, undefined, false]);
  expect(withInstallScripts).toBe(1);
});

test("each manifest of pnpm's gets what stands under its own folder", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "package.json": JSON.stringify({ dependencies: { zod: "^4", own: "workspace:*" } }),
    "packages/own/package.json": JSON.stringify({ name: "own", devDependencies: { zod: "^3" } }),
    "pnpm-lock.yaml":
      "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      own: {specifier: 'workspace:*', version: link:packages/own}\n      zod: {specifier: ^4, version: 4.6.7}\n  packages/own:\n    devDependencies:\n      zod: {specifier: ^3, version: 3.0.0}\npackages:\n  zod@3.0.0: {}\n  zod@4.6.7: {}\n",
  });
  const { dependencies, count } = await bench.run(dependencyInventory, { path: tree.path });
  expect(dependencies).toMatchObject([
    { version: "3.0.0", direct: true, range: "^3" },
    { version: "4.6.7", direct: true, range: "^4", dev: false },
  ]);
  expect(count).toBe(2);
});

test("npm's lockfile is about the manifests of workspaces, not about a fixture's", async () => {
  await using bench = await openBench();
  const asking = (name: string, range: string) => JSON.stringify({ dependencies: { [name]: range } });
  await using tree = await plantTree({
    "package.json": JSON.stringify({ workspaces: ["packages/*"] }),
    "packages/a/package.json": asking("knip", "6.x"),
    "fixtures/b/package.json": asking("zod", "^3"),
    "package-lock.json": JSON.stringify({
      packages: {
        "": {},
        "packages/a": {},
        "node_modules/knip": { version: "6.1.0" },
        "node_modules/zod": { version: "4.6.7" },
      },
    }),
  });
  const { dependencies, count } = await bench.run(dependencyInventory, { path: tree.path });
  expect(dependencies).toMatchObject([
    { name: "knip", direct: true, range: "6.x" },
    { name: "zod", version: "4.6.7", direct: false },
  ]);
  expect(count).toBe(2);
});

test("where Yarn was told to take another range, a manifest gets the only version that there is", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "package.json": JSON.stringify({
      dependencies: { zod: "^3", knip: "6.x" },
      resolutions: { zod: "^4", knip: "^7" },
    }),
    "yarn.lock": `knip@^7:\n  version "7.0.0"\n\nknip@^8:\n  version "8.0.0"\n\nzod@^4:\n  version "4.6.7"\n`,
  });
  const { dependencies, count } = await bench.run(dependencyInventory, { path: tree.path });
  expect(dependencies).toMatchObject([
    { name: "knip", version: "7.0.0", direct: false },
    { name: "knip", version: "8.0.0", direct: false },
    { name: "zod", version: "4.6.7", direct: true, range: "^3" },
  ]);
  expect(count).toBe(3);
});

test("where Yarn does not say what is only for work, what a manifest has for work may be needed to run", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "package.json": JSON.stringify({ dependencies: { debug: "^4" }, devDependencies: { ms: "^2" } }),
    "yarn.lock": `debug@^4:\n  version "4.0.0"\n  dependencies:\n    ms "^2"\n\nms@^2:\n  version "2.1.3"\n`,
  });
  const { dependencies } = await bench.run(dependencyInventory, { path: tree.path });
  expect(dependencies).toMatchObject([
    { name: "debug", dev: false },
    { name: "ms", direct: true },
  ]);
  expect((dependencies as object[])[1]).not.toHaveProperty("dev");
});

test("a folder that has the name of a dependency hides it only where a package manager would link it", async () => {
  await using bench = await openBench();
  const files = {
    "package.json": JSON.stringify({ name: "zod", dependencies: { zod: "^4.0.0", own: "^1.0.0", next: "^2.0.0" } }),
    "packages/own/package.json": JSON.stringify({ name: "own", version: "1.0.0" }),
    "packages/next/package.json": JSON.stringify({ name: "next", version: "1.0.0" }),
    "fixtures/zod/package.json": JSON.stringify({ name: "zod" }),
  };
  const locks = {
    "package-lock.json": JSON.stringify({
      packages: {
        "node_modules/own": { link: true, resolved: "packages/own" },
        "packages/own": { name: "own", version: "1.0.0" },
        "node_modules/zod": { version: "4.6.7" },
        "node_modules/next": { version: "2.0.0" },
      },
    }),
    "npm-shrinkwrap.json": JSON.stringify({
      dependencies: { own: { version: "file:packages/own" }, zod: { version: "4.6.7" }, next: { version: "2.0.0" } },
    }),
    "yarn.lock": `zod@^4.0.0:\n  version "4.6.7"\n\nnext@^2.0.0:\n  version "2.0.0"\n\n"own@file:packages/own":\n  version "1.0.0"\n`,
    "pnpm-lock.yaml":
      "lockfileVersion: '9.0'\npackages:\n  zod@4.6.7: {}\n  next@2.0.0: {}\n  own@file:packages/own:\n    resolution: {directory: packages/own, type: directory}\n    name: own\n",
    "none.txt": "",
  };
  for (const [file, text] of Object.entries(locks)) {
    await using tree = await plantTree({ ...files, [file]: text });
    const { dependencies } = await bench.run(dependencyInventory, { path: tree.path });
    const names = (dependencies as { name: string }[]).map((each) => each.name);
    expect(names, file).toEqual(["next", "zod"]);
  }
});

test("licences of what lies in pnpm's own folder or in a package's, and never another version's", async () => {
  await using bench = await openBench();
  const manifestOf = (name: string, version: string, license: string) => JSON.stringify({ name, version, license });
  await using pnpm = await plantTree({
    "pnpm-lock.yaml": "lockfileVersion: '9.0'\npackages:\n  '@a/b@1.2.3': {}\n  zod@3.0.0: {}\n  zod@4.6.7: {}\n",
    "node_modules/.pnpm/@a+b@1.2.3/node_modules/@a/b/package.json": manifestOf("@a/b", "1.2.3", "ISC"),
    "node_modules/.pnpm/zod@4.6.7_peer@1.0.0/node_modules/zod/package.json": manifestOf("zod", "4.6.7", "MIT"),
  });
  await pnpm.link("node_modules/.pnpm/@a+b@1.2.3/node_modules/zod", join(pnpm.path, "node_modules/zod"));
  await using yarn = await plantTree({
    "yarn.lock": `"@a/b@^1":\n  version "1.2.3"\n\nzod@^3:\n  version "3.0.0"\n\nzod@^4:\n  version "4.6.7"\n`,
    "node_modules/@a/b/package.json": manifestOf("@a/b", "1.2.3", "ISC"),
    "node_modules/@a/b/node_modules/zod/package.json": manifestOf("zod", "4.6.7", "MIT"),
    "node_modules/zod/package.json": manifestOf("zod", "3.1.0", "GPL-2.0"),
  });
  for (const { path } of [pnpm, yarn]) {
    expect(await bench.run(dependencyInventory, { path })).toMatchObject({
      dependencies: [
        { name: "@a/b", licence: "ISC" },
        { name: "zod", version: "3.0.0", licence: "unknown" },
        { name: "zod", version: "4.6.7", licence: "MIT", installScripts: false },
      ],
    });
  }
});

test("names that lead out of the tree lead to no file, and circles of links end", async () => {
  await using bench = await openBench();
  await using outside = await plantTree({
    "package.json": JSON.stringify({ name: "out", version: "1.0.0", license: "MIT" }),
    "node_modules/inner/package.json": JSON.stringify({ name: "inner", version: "2.0.0", license: "MIT" }),
  });
  await using tree = await plantTree({
    "package.json": JSON.stringify({ dependencies: { "../../out": "1", out: "1", round: "1" } }),
    "package-lock.json": JSON.stringify({ packages: { "node_modules/out/node_modules/inner": { version: "2.0.0" } } }),
    "node_modules/round/package.json": JSON.stringify({ name: "round", version: "1.0.0", license: "ISC" }),
  });
  await tree.link("node_modules/round/node_modules", join(tree.path, "node_modules"));
  await tree.link("node_modules/out", outside.path);
  const { dependencies } = await bench.run(dependencyInventory, { path: tree.path });
  expect(dependencies).toMatchObject([
    { name: "../../out", version: "unknown", licence: "unknown" },
    { name: "inner", version: "2.0.0", licence: "unknown" },
    { name: "out", version: "1.0.0", licence: "MIT" },
    { name: "round", licence: "ISC" },
  ]);
});

const lockedZod =
  "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      zod: {specifier: ^4.0.0, version: 4.6.7}\npackages:\n  zod@4.6.7: {}\n";
const aboutPnpm =
  "---\nlockfileVersion: '9.0'\nimporters:\n  .:\n    configDependencies:\n      ms: {specifier: 2.1.3, version: 2.1.3}\npackages:\n  ms@2.1.3: {}\n\n---\n";

test.for([
  ["in two documents", `${aboutPnpm}${lockedZod}`],
  ["in two documents, written on Windows", `${aboutPnpm}${lockedZod}`.replaceAll("\n", "\r\n")],
  ["in one document that has a beginning", `---\n${lockedZod}`],
] as const)("of pnpm's lockfile that counts which is about the tree: %s", async ([, text]) => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "package.json": JSON.stringify({ dependencies: { zod: "^4.0.0" } }),
    "pnpm-lock.yaml": text,
  });
  const { dependencies, count, findings } = await bench.run(dependencyInventory, { path: tree.path });
  expect(dependencies).toMatchObject([{ name: "zod", version: "4.6.7", direct: true, from: "lockfile" }]);
  expect(count).toBe(1);
  expect(findings).not.toMatchObject([{ kind: "lockfile.invalid" }]);
});

test("pnpm writes no third document, and a reason names the line of the whole file", async () => {
  await using bench = await openBench();
  const reasonOf = async (text: string) => {
    await using tree = await plantTree({ "a.ts": "", "package.json": "{}", "pnpm-lock.yaml": text });
    const { findings } = await bench.run(dependencyInventory, { path: tree.path });
    return findings;
  };
  expect(await reasonOf(`${aboutPnpm}${lockedZod}---\n${lockedZod}`)).toMatchObject([
    { kind: "lockfile.invalid", message: expect.stringContaining("multiple documents") },
  ]);
  expect(await reasonOf(`${aboutPnpm}lockfileVersion: '9.0'\npackages: ]\n`)).toMatchObject([
    { kind: "lockfile.invalid", message: expect.stringContaining("line 12") },
  ]);
});

test("licences that are named like parts of an object are counted like any other", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "package.json": "{}",
    "package-lock.json": JSON.stringify({
      packages: {
        "node_modules/a": { version: "1.0.0", license: "constructor" },
        "node_modules/b": { version: "1.0.0", license: "__proto__" },
        "node_modules/c": { version: "1.0.0", license: "__proto__" },
      },
    }),
  });
  const { licences, unknownLicences } = await bench.run(dependencyInventory, { path: tree.path });
  expect(Object.entries(licences as object)).toEqual([
    ["constructor", 1],
    ["__proto__", 2],
  ]);
  expect(unknownLicences).toBe(0);
});

test("of a licence that is a whole text only the beginning is told, wherever it stands", async () => {
  await using bench = await openBench();
  const text = "Permission is hereby granted. ".repeat(25_000);
  await using tree = await plantTree({
    "package.json": JSON.stringify({ dependencies: { a: "1", b: "1", c: "1" } }),
    "package-lock.json": JSON.stringify({
      packages: {
        "": {},
        "node_modules/a": { version: "1.0.0", license: text },
        "node_modules/b": { version: "1.0.0", license: { type: "ISC" } },
      },
    }),
    "node_modules/c/package.json": JSON.stringify({ version: "1.0.0", licenses: [{ type: text }, "MIT"] }),
  });
  const result = await bench.run(dependencyInventory, { path: tree.path });
  expect(result.dependencies).toMatchObject([
    { name: "a", licence: expect.stringMatching(/^Permission is .*…$/) },
    { name: "b", licence: "ISC" },
    { name: "c", licence: expect.stringMatching(/^\(Permission is .*…$/) },
  ]);
  expect(Object.keys(result.licences as object)).toEqual([
    expect.stringMatching(/^Perm/),
    "ISC",
    expect.stringMatching(/^\(Perm/),
  ]);
  expect(JSON.stringify(result).length).toBeLessThan(2_000);
});

test("of more different licences than anybody has, the first are counted and the rest is said to be missing", async () => {
  await using bench = await openBench();
  const packages = Object.fromEntries(
    Array.from({ length: 510 }, (_, at) => [`node_modules/p${at}`, { version: "1.0.0", license: `L${at}` }]),
  );
  await using tree = await plantTree({ "package.json": "{}", "package-lock.json": JSON.stringify({ packages }) });
  const { licences, truncated, count } = await bench.run(dependencyInventory, { path: tree.path });
  expect(Object.keys(licences as object)).toHaveLength(500);
  expect(truncated).toMatchObject({ licences: 10 });
  expect(count).toBe(510);
});

const yarnZod = `zod@^4.0.0:\n  version "4.6.7"\n`;

test.for([
  ["both sides of a merge", `<<<<<<< HEAD\n${yarnZod}=======\n${yarnZod}>>>>>>> next\n`, /line 1.*merge/],
  ["the rest of a merge", `${yarnZod}=======\n${yarnZod}`, /line 3/],
  ["another text", "404: Not Found\n", /line 1/],
  ["indented lines without a package", "  version 1\n  a: b\n", /no package/],
  ["a package without a version", `${yarnZod}\nms@^2:\n  resolved "https://x"\n`, /line 4/],
  [
    "both sides of a merge, by Yarn 4",
    `<<<<<<< HEAD\n__metadata:\n  version: 8\n=======\n__metadata:\n  version: 9\n>>>>>>> next\n`,
    /line/,
  ],
  ["nothing but its version, by Yarn 4", "__metadata:\n  version: 8\nzod: 4.6.7\n", /no package/],
] as const)("a yarn.lock with %s is no lockfile, and a finding says where", async ([, text, reason]) => {
  await using bench = await openBench();
  await using tree = await plantTree({ "a.ts": "", "package.json": manifest, "yarn.lock": text });
  const result = await bench.run(dependencyInventory, { path: tree.path });
  expect(result).toMatchObject({
    findings: [{ kind: "lockfile.invalid", file: "yarn.lock", message: expect.stringMatching(reason) }],
    // Nothing is taken from it.
    dependencies: [
      { name: "knip", from: "manifest" },
      { name: "zod", from: "manifest" },
    ],
  });
});

test("a yarn.lock that Yarn wrote for no dependency at all is no finding", async () => {
  await using bench = await openBench();
  const text = "# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.\n# yarn lockfile v1\n\n\n";
  await using tree = await plantTree({ "a.ts": "", "package.json": "{}", "yarn.lock": text });
  expect(await bench.run(dependencyInventory, { path: tree.path })).toMatchObject({ count: 0, findings: [] });
});

const archives = {
  "none.txt": "",
  "package-lock.json": JSON.stringify({
    packages: {
      "": {},
      "node_modules/packed": { version: "1.0.0", resolved: "file:vendor/packed-1.0.0.tgz" },
      "node_modules/tar": { version: "1.0.0", resolved: "file:vendor/tar-1.0.0.TAR" },
      "node_modules/inner": { link: true, resolved: "vendor.tgz/inner" },
    },
  }),
  "npm-shrinkwrap.json": JSON.stringify({
    dependencies: {
      packed: { version: "file:vendor/packed-1.0.0.tgz" },
      tar: { version: "file:vendor/tar-1.0.0.TAR" },
      inner: { version: "file:vendor.tgz/inner" },
    },
  }),
  "yarn.lock": `"packed@file:./vendor/packed-1.0.0.tgz":\n  version "1.0.0"\n\n"tar@file:./vendor/tar-1.0.0.TAR#aa":\n  version "1.0.0"\n\n"inner@file:./vendor.tgz/inner":\n  version "1.0.0"\n`,
  "berry/yarn.lock": `__metadata:\n  version: 8\n"packed@file:./vendor/packed-1.0.0.tgz::locator=house%40workspace%3A.":\n  version: 1.0.0\n  resolution: "packed@file:./vendor/packed-1.0.0.tgz#./vendor/packed-1.0.0.tgz::hash=c4&locator=house%40workspace%3A."\n"inner@file:./vendor.tgz/inner::locator=house%40workspace%3A.":\n  version: 1.0.0\n  resolution: "inner@file:./vendor.tgz/inner#./vendor.tgz/inner::hash=c4&locator=house%40workspace%3A."\n`,
  "pnpm-lock.yaml":
    "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      packed: {specifier: 'file:./vendor/packed-1.0.0.tgz', version: 'file:vendor/packed-1.0.0.tgz'}\n      tar: {specifier: 'file:./vendor/tar-1.0.0.TAR', version: 'file:vendor/tar-1.0.0.TAR'}\n      inner: {specifier: 'file:./vendor.tgz/inner', version: 'link:vendor.tgz/inner'}\npackages:\n  packed@file:vendor/packed-1.0.0.tgz:\n    resolution: {integrity: x, tarball: 'file:vendor/packed-1.0.0.tgz'}\n    version: 1.0.0\n  tar@file:vendor/tar-1.0.0.TAR:\n    resolution: {integrity: x, tarball: 'file:vendor/tar-1.0.0.TAR'}\n    version: 1.0.0\n",
};

test.for(Object.entries(archives))(
  "an archive that is asked for by its path is a dependency, a folder named like one is none: %s",
  async ([file, text]) => {
    await using bench = await openBench();
    const packed = "file:./vendor/packed-1.0.0.tgz";
    await using tree = await plantTree({
      [join(dirname(file), "package.json")]: JSON.stringify({
        dependencies: { packed, tar: "file:./vendor/tar-1.0.0.TAR", inner: "file:./vendor.tgz/inner" },
      }),
      [file]: text,
    });
    const { dependencies, count } = await bench.run(dependencyInventory, { path: tree.path });
    expect(dependencies).toMatchObject([
      { name: "packed", direct: true, range: packed },
      { name: "tar", direct: true },
    ]);
    expect(count).toBe(2);
  },
);

test("a yarn.lock of nothing but empty lines is read once", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({ "a.ts": "", "package.json": "{}", "yarn.lock": "\n".repeat(500_000) });
  expect(await bench.run(dependencyInventory, { path: tree.path })).toMatchObject({ count: 0, findings: [] });
});

test("trees in npm's old lockfile have a depth that a place for each of them can bear", async () => {
  await using bench = await openBench();
  const nest = (depth: number) =>
    `{"version":"1.0.0"${',"dependencies":{"a":{"version":"1.0.0"'.repeat(depth)}${"}}".repeat(depth)}}`;
  const inventory = async (depth: number) => {
    await using tree = await plantTree({ "a.ts": "", "package.json": "{}", "package-lock.json": nest(depth) });
    return await bench.run(dependencyInventory, { path: tree.path });
  };
  expect(await inventory(50)).toMatchObject({ dependencies: [{ name: "a", version: "1.0.0" }], findings: [] });
  expect(await inventory(2_000)).toMatchObject({
    count: 0,
    findings: [{ kind: "lockfile.invalid", message: expect.stringContaining("nested deeper than 100 levels") }],
  });
});

test("behind a scope that is a link only manifests are read", async () => {
  await using bench = await openBench();
  await using outside = await plantTree({
    "own/package.json": JSON.stringify({ name: "@out/own", version: "1.0.0", license: "MIT" }),
    "own/node_modules/inner/package.json": JSON.stringify({ name: "inner", version: "2.0.0", license: "MIT" }),
  });
  await using tree = await plantTree({
    "package.json": JSON.stringify({ dependencies: { "@out/own": "1" } }),
    "package-lock.json": JSON.stringify({
      packages: {
        "node_modules/@out/own": { version: "1.0.0" },
        "node_modules/@out/own/node_modules/inner": { version: "2.0.0" },
      },
    }),
    "node_modules/ms/package.json": "{}",
  });
  await tree.link("node_modules/@out", outside.path);
  const { dependencies } = await bench.run(dependencyInventory, { path: tree.path });
  expect(dependencies).toMatchObject([
    { name: "@out/own", licence: "MIT" },
    { name: "inner", licence: "unknown" },
  ]);
});
