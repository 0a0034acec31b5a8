/**
 * What a tree depends on, by every lockfile that is read, by what is installed, and by manifests alone. The lockfiles are written as the
 * package managers write them; what is right follows from how each of them, and Node, finds a package.
 */
import { join } from "node:path";
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { isFolder } from "../read-lockfile.ts";
import { treeReader } from "./tree-reader.ts";

const json = (value: unknown) => JSON.stringify(value);

async function readFiles(bench: AgentBench, files: { readonly [path: string]: string }): Promise<JsonObject> {
  await using tree = await plantTree(files);
  return await bench.run(treeReader, { path: tree.path });
}

const manifest = json({ name: "house", dependencies: { zod: "^4.0.0" }, devDependencies: { knip: "6.x" } });

followsInput(
  treeReader,
  "names and ranges of a bare manifest, and versions where there is a lockfile",
  async (bench) => {
    const bare = await readFiles(bench, { "package.json": manifest });
    expect(bare).toMatchObject({
      count: 2,
      direct: 2,
      installed: 0,
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
        { name: "zod", version: "unknown", licence: "unknown", from: "manifest", dev: false, installed: false },
      ],
      findings: [],
    });
    const locked = await readFiles(bench, {
      "package.json": manifest,
      "package-lock.json": json({
        lockfileVersion: 3,
        packages: {
          "": { name: "house" },
          "node_modules/zod": { version: "4.6.7", license: "MIT" },
          "node_modules/knip": { version: "6.1.0", dev: true, hasInstallScript: true },
          "node_modules/knip/node_modules/zod": { version: "3.0.0", dev: true },
          "node_modules/both": { version: "1.0.0", devOptional: true },
        },
      }),
      "node_modules/knip/package.json": json({ name: "knip", version: "6.1.0", license: "ISC" }),
    });
    expect(locked.dependencies).toEqual([
      // A part of what runs asks for it too, so it is not for work alone.
      {
        name: "both",
        version: "1.0.0",
        licence: "unknown",
        from: "lockfile",
        direct: false,
        dev: false,
        installScripts: false,
        installed: false,
      },
      {
        name: "knip",
        version: "6.1.0",
        licence: "ISC",
        licenceFrom: "installed",
        from: "lockfile",
        direct: true,
        range: "6.x",
        dev: true,
        installScripts: true,
        installed: true,
      },
      // It came along with knip; the manifest gets the other.
      {
        name: "zod",
        version: "3.0.0",
        licence: "unknown",
        from: "lockfile",
        direct: false,
        dev: true,
        installScripts: false,
        installed: false,
      },
      {
        name: "zod",
        version: "4.6.7",
        licence: "MIT",
        licenceFrom: "lockfile",
        from: "lockfile",
        direct: true,
        range: "^4.0.0",
        dev: false,
        installScripts: false,
        installed: false,
      },
    ]);
    return [bare, locked];
  },
);

test("by what is installed: licences in every shape they were ever written, and install scripts", async () => {
  await using bench = await openBench();
  const installed = (name: string, more: object) => json({ name, version: "1.0.0", ...more });
  const result = await readFiles(bench, {
    "package.json": json({ dependencies: { a: "1", b: "1", c: "1", d: "1", e: "1" } }),
    "node_modules/a/package.json": installed("a", { license: " MIT " }),
    "node_modules/b/package.json": installed("b", { license: { type: "ISC" } }),
    "node_modules/c/package.json": installed("c", { licenses: [{ type: "MIT" }, { type: "GPL-2.0" }] }),
    "node_modules/d/package.json": installed("d", { license: "", scripts: { postinstall: "node x" } }),
    "node_modules/e/package.json": "{ broken",
  });
  expect(result).toMatchObject({
    withInstallScripts: 1,
    installed: 4,
    dependencies: [
      {
        name: "a",
        version: "1.0.0",
        licence: "MIT",
        licenceFrom: "installed",
        from: "installed",
        installScripts: false,
      },
      { name: "b", licence: "ISC" },
      { name: "c", licence: "(MIT OR GPL-2.0)" },
      { name: "d", licence: "unknown", installScripts: true, installed: true },
      { name: "e", version: "unknown", licence: "unknown", from: "manifest", installed: false },
    ],
  });
});

test("an alias is the package that it stands for, under its own name", async () => {
  await using bench = await openBench();
  const asked = { "package.json": json({ dependencies: { typescript6: "npm:typescript@6.0.3" } }) };
  const right = { name: "typescript", version: "6.0.3", direct: true, range: "npm:typescript@6.0.3" };
  const locks = {
    "package-lock.json": json({
      packages: { "node_modules/typescript6": { name: "typescript", version: "6.0.3", license: "Apache-2.0" } },
    }),
    "npm-shrinkwrap.json": json({ dependencies: { typescript6: { version: "npm:typescript@6.0.3" } } }),
    "yarn.lock": `# yarn lockfile v1\n\n\n"typescript6@npm:typescript@6.0.3":\n  version "6.0.3"\n`,
    "pnpm-lock.yaml": `lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      typescript6:\n        specifier: npm:typescript@6.0.3\n        version: typescript@6.0.3\npackages:\n  typescript@6.0.3:\n    resolution: {integrity: x}\n`,
  };
  for (const [file, text] of Object.entries(locks)) {
    const { dependencies } = await readFiles(bench, { ...asked, [file]: text });
    expect(dependencies, file).toMatchObject([right]);
    expect(dependencies, file).toHaveLength(1);
  }
  const berry = `__metadata:\n  version: 8\n"typescript6@npm:typescript@6.0.3":\n  version: 6.0.3\n  resolution: "typescript@npm:6.0.3"\n`;
  expect((await readFiles(bench, { ...asked, "yarn.lock": berry })).dependencies).toMatchObject([right]);
  const bare = await readFiles(bench, {
    ...asked,
    "node_modules/typescript6/package.json": json({ name: "typescript", version: "6.0.3", license: "Apache-2.0" }),
  });
  expect(bare.dependencies).toMatchObject([{ ...right, from: "installed", licence: "Apache-2.0" }]);
});

const pnpmLocks = {
  5: `lockfileVersion: 5.4\nspecifiers:\n  zod: ^4\ndependencies:\n  zod: 4.6.7_peer@1.0.0\npackages:\n  /@a/b/1.2.3:\n    dev: true\n  /zod/4.6.7_peer@1.0.0:\n    dev: false\n    requiresBuild: true\n  github.com/x/y/0123abc:\n    name: y\n    version: 1.0.0\n    dev: false\n`,
  6: `lockfileVersion: '6.0'\ndependencies:\n  zod:\n    specifier: ^4\n    version: 4.6.7(peer@1.0.0)\npackages:\n  /@a/b@1.2.3:\n    dev: true\n  /zod@4.6.7(peer@1.0.0):\n    dev: false\n    requiresBuild: true\n  github.com/x/y/0123abc:\n    name: y\n    version: 1.0.0\n    dev: false\n`,
  9: `lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      zod:\n        specifier: ^4\n        version: 4.6.7(peer@1.0.0)\n      own:\n        specifier: workspace:*\n        version: link:packages/own\npackages:\n  '@a/b@1.2.3':\n    resolution: {integrity: x}\n  zod@4.6.7:\n    resolution: {integrity: y}\n  y@https://codeload.github.com/x/y/tar.gz/0123abc:\n    version: 1.0.0\nsnapshots:\n  zod@4.6.7(peer@1.0.0): {}\n`,
} as const;

test.for([5, 6, 9] as const)(
  "by pnpm's lockfile of version %i, with licences out of pnpm's own folder",
  async (version) => {
    await using bench = await openBench();
    await using tree = await plantTree({
      "package.json": json({ dependencies: { zod: "^4", ...(version === 9 && { own: "workspace:*" }) } }),
      "packages/own/package.json": json({ name: "own" }),
      "pnpm-lock.yaml": pnpmLocks[version],
      "node_modules/.pnpm/zod@4.6.7/node_modules/zod/package.json": json({
        name: "zod",
        version: "4.6.7",
        license: "MIT",
      }),
      "node_modules/.pnpm/@a+b@1.2.3/node_modules/@a/b/package.json": json({
        name: "@a/b",
        version: "1.2.3",
        license: "ISC",
      }),
    });
    await tree.link("node_modules/zod", join(tree.path, "node_modules/.pnpm/zod@4.6.7/node_modules/zod"));
    const result = await bench.run(treeReader, { path: tree.path });
    expect(result.dependencies).toMatchObject([
      {
        name: "@a/b",
        version: "1.2.3",
        licence: "ISC",
        direct: false,
        installed: true,
        ...(version < 9 && { dev: true }),
      },
      { name: "y", version: "1.0.0", licence: "unknown", direct: false },
      {
        name: "zod",
        version: "4.6.7",
        licence: "MIT",
        direct: true,
        range: "^4",
        dev: false,
        installScripts: version < 9,
      },
    ]);
    expect(result.count).toBe(3);
  },
);

test("by the lockfiles of both generations of Yarn", async () => {
  await using bench = await openBench();
  const asked = json({ dependencies: { zod: "^4.0.0" }, devDependencies: { "@a/b": "~1.2.0", own: "*" } });
  const locks = {
    classic: `# yarn lockfile v1\n\n\n"@a/b@^1.0.0", "@a/b@~1.2.0":\n  version "1.2.3"\n  resolved "https://x"\n\nzod@^3.0.0:\n  version "3.0.0"\n  dependencies:\n    version "^9.9.9"\n\nzod@^4.0.0:\n  version "4.6.7"\n`,
    berry: `__metadata:\n  version: 8\n"@a/b@npm:^1.0.0, @a/b@npm:~1.2.0":\n  version: 1.2.3\n  resolution: "@a/b@npm:1.2.3"\n"zod@npm:^3.0.0":\n  version: 3.0.0\n  resolution: "zod@npm:3.0.0"\n"zod@npm:^4.0.0":\n  version: 4.6.7\n  resolution: "zod@npm:4.6.7"\n"own@workspace:packages/own":\n  version: 0.0.0-use.local\n  resolution: "own@workspace:packages/own"\n`,
  };
  for (const [generation, text] of Object.entries(locks)) {
    const result = await readFiles(bench, {
      "package.json": asked,
      "packages/own/package.json": json({ name: "own" }),
      "yarn.lock": text,
    });
    expect(result.dependencies, generation).toMatchObject([
      { name: "@a/b", version: "1.2.3", direct: true, range: "~1.2.0" },
      { name: "zod", version: "3.0.0", direct: false },
      { name: "zod", version: "4.6.7", direct: true, dev: false },
    ]);
    expect(result.count, generation).toBe(3);
  }
});

const ownFolder = {
  "package.json": json({
    dependencies: { own: "file:./packages/own", linked: "link:./packages/own", ms: "^2.0.0" },
    resolutions: { ms: "2.1.3" },
  }),
  "packages/own/package.json": json({ name: "own", version: "1.0.0", dependencies: { ms: "^2.0.0" } }),
};

test.for([
  [
    "pnpm 5",
    "pnpm-lock.yaml",
    "lockfileVersion: 5.4\ndependencies:\n  linked: link:packages/own\n  ms: 2.1.3\n  own: file:packages/own\npackages:\n  /ms/2.1.3:\n    dev: false\n  file:packages/own:\n    resolution: {directory: packages/own, type: directory}\n    name: own\n    version: 1.0.0\n    dev: false\n",
  ],
  [
    "pnpm 9",
    "pnpm-lock.yaml",
    "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      linked: {specifier: 'link:./packages/own', version: 'link:packages/own'}\n      ms: {specifier: ^2.0.0, version: 2.1.3}\n      own: {specifier: 'file:./packages/own', version: 'file:packages/own(peer@1.0.0)'}\npackages:\n  ms@2.1.3: {}\n  own@file:packages/own:\n    resolution: {directory: packages/own, type: directory}\n",
  ],
  [
    "Yarn 1",
    "yarn.lock",
    `# yarn lockfile v1\n\n\n"linked@link:./packages/own":\n  version "0.0.0"\n  uid ""\n\nms@2.1.3, ms@^2.0.0:\n  version "2.1.3"\n\n"own@file:./packages/own":\n  version "1.0.0"\n`,
  ],
  [
    "Yarn 4",
    "yarn.lock",
    `__metadata:\n  version: 8\n"linked@link:./packages/own::locator=house%40workspace%3A.":\n  version: 0.0.0-use.local\n  resolution: "linked@link:./packages/own::locator=house%40workspace%3A."\n"ms@npm:2.1.3":\n  version: 2.1.3\n  resolution: "ms@npm:2.1.3"\n"own@file:./packages/own::locator=house%40workspace%3A.":\n  version: 1.0.0\n  resolution: "own@file:./packages/own#./packages/own::hash=c4ebef&locator=house%40workspace%3A."\n`,
  ],
] as const)("a folder that is asked for by its path is no dependency of %s", async ([, lockfile, text]) => {
  await using bench = await openBench();
  const { dependencies } = await readFiles(bench, { ...ownFolder, [lockfile]: text });
  expect(dependencies).toMatchObject([
    { name: "ms", version: "2.1.3", direct: true, range: "^2.0.0", dev: false, from: "lockfile" },
  ]);
});

test("an archive that is asked for by its path is a dependency, and a bare path is a folder", async () => {
  await using bench = await openBench();
  const asked = { archive: "file:./vendor/archive-1.0.0.tgz", folder: "./vendor/folder", above: "../above" };
  const result = await readFiles(bench, { "package.json": json({ dependencies: asked }) });
  expect(result.dependencies).toMatchObject([{ name: "archive", range: "file:./vendor/archive-1.0.0.tgz" }]);
});

test("a manifest gets what Yarn's resolutions and catalogs put in place of its range", async () => {
  await using bench = await openBench();
  const entry = (name: string, version: string) =>
    `"${name}@npm:${version}":\n  version: ${version}\n  resolution: "${name}@npm:${version}"\n`;
  const result = await readFiles(bench, {
    "package.json": json({
      dependencies: { a: "^1.0.0", b: "^1.0.0", c: "catalog:", d: "^1.0.0" },
      resolutions: { "**/a": "2.0.0", "b@npm:^1.0.0": "1.5.0", b: "9.0.0", "other/d": "3.0.0" },
    }),
    "yarn.lock": `__metadata:\n  version: 8\n${entry("a", "2.0.0")}${entry("b", "1.5.0")}${entry("b", "9.0.0")}${entry("c", "4.0.0")}${entry("d", "3.0.0")}`,
  });
  expect(result.dependencies).toMatchObject([
    { name: "a", version: "2.0.0", direct: true, range: "^1.0.0" },
    { name: "b", version: "1.5.0", direct: true, range: "^1.0.0" },
    { name: "b", version: "9.0.0", direct: false },
    { name: "c", version: "4.0.0", direct: true, range: "catalog:" },
    // This one is in place of what another package asks for.
    { name: "d", version: "3.0.0", direct: false },
  ]);
});

test("what a manifest works with is what it gets from Yarn, also where it is a peer of another range", async () => {
  await using bench = await openBench();
  const result = await readFiles(bench, {
    "package.json": json({ peerDependencies: { react: "^18 || ^19" }, devDependencies: { react: "^19.2.0" } }),
    "yarn.lock": `__metadata:\n  version: 8\n"react@npm:^19.2.0":\n  version: 19.2.3\n  resolution: "react@npm:19.2.3"\n`,
  });
  expect(result.dependencies).toMatchObject([
    { name: "react", version: "19.2.3", direct: true, range: "^18 || ^19", dev: false },
  ]);
});

test("a manifest gets what Yarn has patched for it", async () => {
  await using bench = await openBench();
  const patch = "patch:react-native@0.64.0#./patches/react-native.patch";
  const result = await readFiles(bench, {
    "package.json": json({ resolutions: { "react-native": patch } }),
    "app/package.json": json({ dependencies: { "react-native": "0.64.0" } }),
    "yarn.lock": `__metadata:\n  version: 4\n"react-native@${patch}::locator=%40jest%2Fmonorepo%40workspace%3A.":\n  version: 0.64.0\n  resolution: "react-native@${patch}::version=0.64.0&hash=0c5a8b&locator=%40jest%2Fmonorepo%40workspace%3A."\n`,
  });
  expect(result.dependencies).toMatchObject([
    { name: "react-native", version: "0.64.0", direct: true, range: "0.64.0" },
  ]);
});

test.for([
  [
    5,
    "lockfileVersion: 5.4\ndependencies:\n  '@house/log': npm.house.io/@house/log/1.2.3_zod@4.6.7\n  zod: localhost+4873/zod/4.6.7\npackages:\n  localhost+4873/zod/4.6.7: {}\n  npm.house.io/@house/log/1.2.3_zod@4.6.7: {}\n",
  ],
  [
    6,
    "lockfileVersion: '6.0'\ndependencies:\n  '@house/log': {specifier: ^1, version: npm.house.io/@house/log@1.2.3(zod@4.6.7)}\n  zod: {specifier: ^4, version: localhost+4873/zod@4.6.7}\npackages:\n  localhost+4873/zod@4.6.7: {}\n  npm.house.io/@house/log@1.2.3(zod@4.6.7): {}\n",
  ],
] as const)("pnpm %i writes a registry of one's own in front of the name", async ([, text]) => {
  await using bench = await openBench();
  const result = await readFiles(bench, {
    "package.json": json({ dependencies: { "@house/log": "^1", zod: "^4" } }),
    "pnpm-lock.yaml": text,
  });
  expect(result.dependencies).toMatchObject([
    { name: "@house/log", version: "1.2.3", direct: true, range: "^1" },
    { name: "zod", version: "4.6.7", direct: true, range: "^4" },
  ]);
});

test("of pnpm's lockfile in two documents the last is about the tree, the first about pnpm itself", async () => {
  await using bench = await openBench();
  const result = await readFiles(bench, {
    "package.json": json({ dependencies: { ms: "^2.0.0" } }),
    "pnpm-lock.yaml":
      "---\nlockfileVersion: '9.0'\nimporters:\n  .:\n    configDependencies:\n      is-number: {specifier: 7.0.0, version: 7.0.0}\npackages:\n  is-number@7.0.0: {}\n---\nlockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      ms: {specifier: ^2.0.0, version: 2.1.3}\npackages:\n  ms@2.1.3: {}\n",
  });
  expect(result).toMatchObject({ dependencies: [{ name: "ms", version: "2.1.3", direct: true }], findings: [] });
});

test("a manifest gets what pnpm's lockfile has for its folder, also where that lockfile is not at the root", async () => {
  await using bench = await openBench();
  const result = await readFiles(bench, {
    "site/package.json": json({ dependencies: { zod: "^4" } }),
    "site/packages/a/package.json": json({ devDependencies: { zod: "^3" } }),
    "site/packages/b/package.json": json({ dependencies: { zod: "^2" } }),
    "site/pnpm-lock.yaml":
      "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      zod: {specifier: ^4, version: 4.6.7}\n  packages/a:\n    devDependencies:\n      zod: {specifier: ^3, version: 3.0.0(peer@1.0.0)}\npackages:\n  zod@3.0.0: {}\n  zod@4.6.7: {}\n",
  });
  expect(result.dependencies).toMatchObject([
    { version: "3.0.0", direct: true, range: "^3" },
    { version: "4.6.7", direct: true, range: "^4", dev: false },
  ]);
  expect(result.count).toBe(2);
});

test("npm's lockfile is about the root and its workspaces, and before version 2 about the root alone", async () => {
  await using bench = await openBench();
  const files = {
    "site/package.json": json({ workspaces: ["a"], dependencies: { zod: "^4" } }),
    "site/a/package.json": json({ dependencies: { knip: "6.x" } }),
    "site/fixtures/b/package.json": json({ dependencies: { zod: "^3", inner: "1" } }),
  };
  const read = async (lock: object) => {
    const { dependencies } = await readFiles(bench, { ...files, "site/package-lock.json": json(lock) });
    return (dependencies as { name: string; range?: string }[]).map((each) => [each.name, each.range]);
  };
  const zod = { version: "4.6.7" };
  const knip = { version: "6.1.0" };
  const inner = { version: "1.0.0" };
  const packages = { "": {}, a: {}, "node_modules/zod": zod, "a/node_modules/knip": knip, "node_modules/inner": inner };
  expect(await read({ packages })).toEqual([
    ["inner", undefined],
    ["knip", "6.x"],
    ["zod", "^4"],
  ]);
  expect(await read({ dependencies: { zod, knip, inner } })).toEqual([
    ["inner", undefined],
    ["knip", undefined],
    ["zod", "^4"],
  ]);
});

test("of what pnpm has as optional, what is installed says whether it runs code", async () => {
  await using bench = await openBench();
  const result = await readFiles(bench, {
    "package.json": "{}",
    "pnpm-lock.yaml":
      "lockfileVersion: '6.0'\npackages:\n  /a@1.0.0: {requiresBuild: true}\n  /b@1.0.0: {requiresBuild: true, optional: true}\n  /c@1.0.0: {requiresBuild: true, optional: true}\n",
    "node_modules/.pnpm/c@1.0.0/node_modules/c/package.json": json({ name: "c", version: "1.0.0" }),
  });
  const scripts = (result.dependencies as { installScripts?: boolean }[]).map((each) => each.installScripts);
  expect(scripts).toEqual([true, undefined, false]);
  expect(result.withInstallScripts).toBe(1);
});

test("for work alone is what every lockfile says is: where one is silent, what runs may need it too", async () => {
  await using bench = await openBench();
  const result = await readFiles(bench, {
    "a/package.json": json({ devDependencies: { ms: "^2", knip: "6.x" } }),
    "a/package-lock.json": json({
      packages: {
        "node_modules/ms": { version: "2.1.3", dev: true },
        "node_modules/knip": { version: "6.1.0", dev: true },
      },
    }),
    "b/package.json": json({ devDependencies: { ms: "^2" } }),
    "b/yarn.lock": `ms@^2:\n  version "2.1.3"\n`,
  });
  const dev = (result.dependencies as { name: string; dev?: boolean }[]).map((each) => [each.name, each.dev]);
  expect(dev).toEqual([
    ["knip", true],
    ["ms", undefined],
  ]);
});

test("what runs code on installation is known, whichever lockfile says so", async () => {
  await using bench = await openBench();
  const npm = json({ packages: { "node_modules/esbuild": { version: "1.0.0", hasInstallScript: true } } });
  const yarn = `esbuild@^1:\n  version "1.0.0"\n`;
  for (const [first, second] of [
    [{ "package-lock.json": npm }, { "yarn.lock": yarn }],
    [{ "yarn.lock": yarn }, { "package-lock.json": npm }],
  ] as const) {
    const place = (folder: string, files: object) =>
      Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text as string]));
    const result = await readFiles(bench, { "package.json": "{}", ...place("a", first), ...place("b", second) });
    expect(result).toMatchObject({ count: 1, withInstallScripts: 1 });
  }
});

test("folders of the tree are no dependencies, and a fixture of the same name hides none", async () => {
  await using bench = await openBench();
  const files = {
    "package.json": json({ workspaces: ["packages/*"], dependencies: { own: "^1.0.0", react: "^19" } }),
    "packages/own/package.json": json({ name: "own", version: "1.0.0" }),
    "test/fixtures/react/package.json": json({ name: "react" }),
  };
  const locked = await readFiles(bench, {
    ...files,
    "package-lock.json": json({
      packages: {
        "packages/own": { name: "own", version: "1.0.0" },
        "node_modules/own": { link: true, resolved: "packages/own" },
        "node_modules/react": { version: "19.0.0", license: "MIT" },
      },
    }),
  });
  expect(locked.dependencies).toMatchObject([{ name: "react", version: "19.0.0", direct: true }]);
  expect(locked.count).toBe(1);
  const installed = await readFiles(bench, {
    ...files,
    "node_modules/react/package.json": json({ name: "react", version: "19.0.0", license: "MIT" }),
  });
  expect(installed.dependencies).toMatchObject([{ name: "react", version: "19.0.0" }]);
  expect(installed.count).toBe(1);
});

test("where nothing is locked or installed, a folder of the tree is meant only by its version, and never by itself", async () => {
  await using bench = await openBench();
  const result = await readFiles(bench, {
    "package.json": json({
      name: "self",
      version: "1.0.0",
      dependencies: { fits: "^1.0.0", beta: "^1.0.0", any: "*", bare: "^1.0.0", next: "^2.0.0", self: "^1.0.0" },
    }),
    "packages/fits/package.json": json({ name: "fits", version: "1.2.0" }),
    "packages/beta/package.json": json({ name: "beta", version: "1.3.0-beta.1" }),
    "packages/any/package.json": json({ name: "any" }),
    "packages/bare/package.json": json({ name: "bare" }),
    "packages/next/package.json": json({ name: "next", version: "1.0.0" }),
  });
  const names = (result.dependencies as { name: string }[]).map((each) => each.name);
  expect(names).toEqual(["bare", "next", "self"]);
});

test("each manifest by the lockfile that is nearest to it", async () => {
  await using bench = await openBench();
  const lock = (version: string) => json({ packages: { "node_modules/zod": { version, license: "MIT" } } });
  const result = await readFiles(bench, {
    "package.json": json({ dependencies: { zod: "^4" } }),
    "package-lock.json": lock("4.6.7"),
    "site/package.json": json({ devDependencies: { zod: "^3" } }),
    "site/package-lock.json": lock("3.1.0"),
    "packages/a/package.json": json({ dependencies: { zod: "4.x", missing: "1" } }),
  });
  expect(result.dependencies).toMatchObject([
    { name: "missing", version: "unknown", from: "manifest", range: "1" },
    { name: "zod", version: "3.1.0", direct: true, range: "^3" },
    { name: "zod", version: "4.6.7", direct: true, range: "^4" },
  ]);
});

test("a peer that may be absent and is absent is none; one that is there is", async () => {
  await using bench = await openBench();
  const asked = json({
    peerDependencies: { react: "*", vue: "*", must: "*" },
    peerDependenciesMeta: { react: { optional: true }, vue: { optional: true } },
  });
  const result = await readFiles(bench, {
    "package.json": asked,
    "node_modules/react/package.json": json({ name: "react", version: "19.0.0", license: "MIT" }),
  });
  expect(result.dependencies).toMatchObject([
    { name: "must", version: "unknown" },
    { name: "react", version: "19.0.0" },
  ]);
});

test("a peer that may be absent gives way to the field that asks for it to work with", async () => {
  await using bench = await openBench();
  const files = {
    "package.json": json({
      peerDependencies: { react: "*", must: "*" },
      peerDependenciesMeta: { react: { optional: true } },
      devDependencies: { react: "19.x", must: "1.x" },
    }),
  };
  const must = { name: "must", range: "*", dev: false };
  const react = { name: "react", range: "19.x", dev: true };
  expect((await readFiles(bench, files)).dependencies).toMatchObject([must, react]);
  const there = { "node_modules/react/package.json": json({ name: "react", version: "19.0.0", license: "MIT" }) };
  expect((await readFiles(bench, { ...files, ...there })).dependencies).toMatchObject([must, react]);
});

test("what is locked and what is installed are told apart where they differ", async () => {
  await using bench = await openBench();
  const result = await readFiles(bench, {
    "package.json": manifest,
    "package-lock.json": json({ packages: { "node_modules/zod": { version: "4.6.7", license: "MIT" } } }),
    "node_modules/zod/package.json": json({ name: "zod", version: "5.0.0", license: "GPL-3.0-only" }),
  });
  expect(result.dependencies).toContainEqual(
    expect.objectContaining({
      name: "zod",
      version: "4.6.7",
      licence: "MIT",
      licenceFrom: "lockfile",
      installed: false,
    }),
  );
  expect(result.findings).toContainEqual({
    kind: "dependencies.out_of_step",
    file: "node_modules/zod",
    message: "zod is locked at 4.6.7, and 5.0.0 is installed.",
  });
});

test("names that lead out of the tree lead to no file, of what a link leads to only the manifest is read, and loops end", async () => {
  await using bench = await openBench();
  await using outside = await plantTree({
    "package.json": json({ name: "out", version: "1.0.0", license: "MIT" }),
    "node_modules/inner/package.json": json({ name: "inner", version: "2.0.0", license: "MIT" }),
    "house/log/package.json": json({ name: "@house/log", version: "1.0.0", license: "MIT" }),
    "house/log/node_modules/deep/package.json": json({ name: "deep", version: "2.0.0", license: "MIT" }),
  });
  await using tree = await plantTree({
    "package.json": json({ dependencies: { "../../etc": "1", loop: "1", out: "1" } }),
    "package-lock.json": json({
      packages: {
        "node_modules/../../x": { version: "1.0.0" },
        "node_modules/a/node_modules/inner": { version: "2.0.0" },
        "node_modules/a/node_modules/deep": { version: "2.0.0" },
        "node_modules/@house/log": { version: "1.0.0" },
      },
    }),
    "node_modules/loop/package.json": json({ name: "loop", version: "1.0.0", license: "ISC" }),
  });
  await tree.link("node_modules/loop/node_modules", join(tree.path, "node_modules"));
  await tree.link("node_modules/self", tree.path);
  await tree.link("node_modules/out", outside.path);
  await tree.link("node_modules/@house", join(outside.path, "house"));
  const result = await bench.run(treeReader, { path: tree.path });
  expect(result.dependencies).toMatchObject([
    { name: "../../etc", version: "unknown", licence: "unknown", installed: false },
    { name: "../../x", licence: "unknown", installed: false },
    { name: "@house/log", version: "1.0.0", licence: "MIT" },
    { name: "deep", licence: "unknown", installed: false },
    { name: "inner", licence: "unknown", installed: false },
    { name: "loop", version: "1.0.0", licence: "ISC" },
    { name: "out", version: "1.0.0", licence: "MIT" },
  ]);
});

test("a licence in nests deeper than a stack, or as long as a book, spoils no answer", async () => {
  await using bench = await openBench();
  const nest = `{"name":"nest","version":"1.0.0","license":${'{"type":'.repeat(60_000)}"MIT"${"}".repeat(60_000)}}`;
  const book = json({ name: "book", version: "1.0.0", license: "Permission is hereby granted. ".repeat(20_000) });
  const result = await readFiles(bench, {
    "package.json": json({ dependencies: { nest: "1", book: "1" } }),
    "package-lock.json": json({
      packages: { "node_modules/locked": { version: "1.0.0", license: "x".repeat(500_000) } },
    }),
    "node_modules/nest/package.json": nest,
    "node_modules/book/package.json": book,
  });
  expect(result.dependencies).toMatchObject([
    { name: "book", licence: expect.stringMatching(/^Permission is hereby granted.*…$/) },
    { name: "locked", licence: expect.stringMatching(/^x+…$/) },
    { name: "nest", licence: "unknown", installed: true },
  ]);
  expect(json(result).length).toBeLessThan(5_000);
});

test("licences are counted by whatever name they have", async () => {
  await using bench = await openBench();
  const result = await readFiles(bench, {
    "package.json": "{}",
    "package-lock.json": json({
      packages: {
        "node_modules/a": { version: "1.0.0", license: "constructor" },
        "node_modules/b": { version: "1.0.0", license: "__proto__" },
        "node_modules/c": { version: "1.0.0", license: "__proto__" },
      },
    }),
  });
  expect(Object.entries(result.licences as object)).toEqual([
    ["constructor", 1],
    ["__proto__", 2],
  ]);
});

test("a lockfile with both sides of a merge, or without any package where there is text, is none", async () => {
  await using bench = await openBench();
  const broken: [reason: string, text: string][] = [
    [
      "both sides of a merge",
      `# yarn lockfile v1\n\n\n<<<<<<< HEAD\nzod@^4.0.0:\n  version "4.0.0"\n=======\nzod@^4.0.0:\n  version "4.1.0"\n>>>>>>> other\n`,
    ],
    ["both sides of a merge", `zod@^4.0.0:\n  version "4.0.0"\n=======\nzod@^4.0.0:\n  version "4.1.0"\n`],
    ["ms@^2 is no package with a version", `zod@^4.0.0:\n  version "4.0.0"\n\nms@^2:\n  resolved "https://x"\n`],
    ["ms@^2 is no package with a version", `ms@^2:\n  resolved "https://x"\n\nzod@^4.0.0:\n  version "4.0.0"\n`],
    ["no package", "all is well"],
  ];
  for (const [reason, text] of broken) {
    const result = await readFiles(bench, { "package.json": manifest, "yarn.lock": text });
    const finding = { kind: "lockfile.invalid", file: "yarn.lock", message: expect.stringContaining(reason) };
    expect(result, reason).toMatchObject({ count: 2, findings: [finding] });
  }
  // A tree without dependencies has this one.
  const empty = "# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.\n# yarn lockfile v1\n\n\n";
  expect(await readFiles(bench, { "package.json": "{}", "yarn.lock": empty })).toMatchObject({
    count: 0,
    findings: [],
  });
});

test("a path leads to an archive by the end of its name, and to a folder otherwise", () => {
  for (const archive of ["./a.tgz", "file:../a.TAR.GZ", "./a.tar", "./a.tgz#0f3a", "file:./a.tgz::locator=own%40."]) {
    expect(isFolder(archive), archive).toBe(false);
  }
  for (const folder of ["./a", "file:vendor.tgz/inner", "./a.tgzip", "~/a", "link:./a.tgz", "workspace:*"]) {
    expect(isFolder(folder), folder).toBe(true);
  }
});

test("trees in trees without end are no lockfile", async () => {
  await using bench = await openBench();
  const nest = (levels: number) =>
    `{"dependencies":${'{"a":{"version":"1.0.0","dependencies":'.repeat(levels)}{}${"}}".repeat(levels)}}`;
  const read = async (levels: number) =>
    await readFiles(bench, { "package.json": "{}", "package-lock.json": nest(levels) });
  expect(await read(50)).toMatchObject({ count: 1, findings: [] });
  for (const levels of [101, 200_000]) {
    expect((await read(levels)).findings).toMatchObject([
      { kind: "lockfile.invalid", message: expect.stringContaining("deeper than 100") },
    ]);
  }
});

test("lockfiles that are broken, hostile or of another kind are findings, and manifests are read", async () => {
  await using bench = await openBench();
  const bombs = { "pnpm-lock.yaml": `a: &a [x]\npackages: {x: [*a,*a]}\n`, "package-lock.json": "{ no json" };
  for (const [file, text] of Object.entries(bombs)) {
    const result = await readFiles(bench, { "package.json": manifest, [file]: text });
    expect(result.findings, file).toMatchObject([{ kind: "lockfile.invalid", file }]);
    expect(result.count).toBe(2);
  }
  expect(await readFiles(bench, { "package.json": manifest, "bun.lock": "{}" })).toMatchObject({
    count: 2,
    findings: [{ kind: "lockfile.not_read", file: "bun.lock" }],
  });
  expect(await readFiles(bench, { "a.ts": "" })).toMatchObject({
    count: 0,
    findings: [{ kind: "dependencies.no_manifest" }],
  });
});

test("a folder that is not there is refused", async () => {
  await using bench = await openBench();
  await using tree = await plantTree();
  await expect(bench.run(treeReader, { path: join(tree.path, "gone") })).rejects.toMatchObject({
    code: "source.not_found",
  });
});
