// The map in ARCHITECTURE.md against the manifests: rooms, levels, references. Each rule is also broken once, in a little house.
import { describe, expect, it } from "vitest";
import { checkLevels, checkMap, checkReferences } from "./levels.ts";
import { littleHouse } from "./little-house.ts";
import { plant, readText, readTree } from "./tree.ts";

const tree = readTree();

const withManifest = (room: string, change: (manifest: Record<string, unknown>) => void) => {
  const path = `packages/${room}/package.json`;
  const manifest = JSON.parse(readText(littleHouse, path)) as Record<string, unknown>;
  change(manifest);
  return plant(littleHouse, { [path]: JSON.stringify(manifest) });
};

describe("the map shows the rooms that are there", () => {
  it("holds here", () => expect(checkMap(tree)).toEqual([]));
  it("holds in the little house", () => expect(checkMap(littleHouse)).toEqual([]));

  it("refuses a room on the map that is not there", () => {
    const refusals = checkMap(plant(littleHouse, { "packages/log/package.json": null }));
    expect(refusals).toEqual([expect.stringMatching(/names log, and there is no packages\/log/)]);
  });

  it("refuses a room that is not on the map", () => {
    const refusals = checkMap(plant(littleHouse, { "packages/attic/package.json": '{ "name": "@viable/attic" }' }));
    expect(refusals).toEqual([
      expect.stringMatching(/attic is on no level/),
      expect.stringMatching(/attic has no line in the room table/),
    ]);
  });

  it("refuses a room on two levels", () => {
    const text = readText(littleHouse, "ARCHITECTURE.md").replace("L3  viable", "L3  viable  log");
    expect(() => checkMap(plant(littleHouse, { "ARCHITECTURE.md": text }))).toThrow(/log on two levels/);
  });
});

describe("a room uses only rooms on lower levels (W6)", () => {
  it("holds here", () => expect(checkLevels(tree)).toEqual([]));
  it("holds in the little house", () => expect(checkLevels(littleHouse)).toEqual([]));

  it("refuses a dependency upwards", () => {
    const refusals = checkLevels(
      withManifest("kernel", (manifest) => (manifest.dependencies = { "@viable/log": "0.1.0" })),
    );
    expect(refusals).toEqual([expect.stringMatching(/kernel \(L0\) depends on log \(L1\).*lower levels.*W6/)]);
  });

  it("refuses a neighbour, also as a peer", () => {
    const text = readText(littleHouse, "ARCHITECTURE.md").replace("L0  kernel\nL1  log\n", "L0  kernel  log\n");
    const peers = withManifest("log", (manifest) => {
      manifest.peerDependencies = manifest.dependencies;
      manifest.dependencies = {};
    });
    expect(checkLevels(plant(peers, { "ARCHITECTURE.md": text }))).toEqual([
      expect.stringMatching(/log \(L0\) depends on kernel \(L0\)/),
    ]);
  });

  it("refuses a concrete adapter in any room but the composition root", () => {
    const text = readText(littleHouse, "ARCHITECTURE.md")
      .replace("L3  viable", "L3  queen\nL4  viable")
      .replace("| `viable`", "| `queen` | decides |\n| `viable`");
    const refusals = checkLevels(
      plant(littleHouse, {
        "ARCHITECTURE.md": text,
        "packages/queen/package.json": JSON.stringify({
          name: "@viable/queen",
          dependencies: { "@viable/log-postgres": "0.1.0" },
        }),
      }),
    );
    expect(refusals).toEqual([expect.stringMatching(/queen depends on log-postgres.*port.*only viable chooses/)]);
  });
});

describe("project references say what the manifests say", () => {
  it("holds here", () => expect(checkReferences(tree)).toEqual([]));
  it("holds in the little house", () => expect(checkReferences(littleHouse)).toEqual([]));

  it("refuses a missing and a superfluous reference", () => {
    const refusals = checkReferences(
      plant(littleHouse, { "packages/log/tsconfig.json": '{ "references": [{ "path": "../viable" }] }' }),
    );
    expect(refusals).toEqual([
      expect.stringMatching(/packages\/log\/tsconfig.json: no reference to ..\/kernel/),
      expect.stringMatching(/packages\/log\/tsconfig.json: refers to ..\/viable/),
    ]);
  });

  it("refuses a package that the build leaves out", () => {
    const refusals = checkReferences(
      plant(littleHouse, { "tsconfig.build.json": '{ "references": [{ "path": "./packages/kernel" }] }' }),
    );
    expect(refusals).toHaveLength(3);
    expect(refusals[0]).toMatch(/tsconfig.build.json: no reference to .\/packages\/log/);
  });
});
