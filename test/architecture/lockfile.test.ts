// The lockfile installs on any machine: complete, bound to no registry, and saying what the manifests say.
import { describe, expect, it } from "vitest";
import { findDifferences, findMissingOptional, findResolved, type Lockfile } from "./lockfile.ts";
import type { Manifest } from "./rooms.ts";
import { readJson, readTree } from "./tree.ts";

const tree = readTree();
const lockfile = readJson<Lockfile>(tree, "package-lock.json");
const manifests = new Map(
  [...tree.keys()]
    .filter((path) => path === "package.json" || /^(packages|examples)\/[^/]+\/package\.json$/.test(path))
    .map((path) => [path.replace(/\/?package\.json$/, ""), readJson<Manifest>(tree, path)]),
);

describe("the lockfile", () => {
  it("has an entry for every optional package", () => {
    expect(Object.keys(lockfile.packages).length).toBeGreaterThan(100);
    expect(findMissingOptional(lockfile)).toEqual([]);
  });
  it("names no registry", () => expect(findResolved(lockfile)).toEqual([]));
  it("says what the manifests say", () => expect(findDifferences(lockfile, manifests)).toEqual([]));

  it("is refused when an optional package is missing", () => {
    const broken = { packages: { "node_modules/a": { name: "a", optionalDependencies: { "a-darwin": "1.0.0" } } } };
    expect(findMissingOptional(broken)).toEqual([
      expect.stringMatching(/a-darwin 1.0.0, and there is no entry. Run node/),
    ]);
  });
  it("is refused when an optional package is there in another version", () => {
    const broken = {
      packages: {
        "node_modules/a": { name: "a", optionalDependencies: { "a-darwin": "1.0.0" } },
        "node_modules/b/node_modules/a": { name: "a", optionalDependencies: { "a-darwin": "2.0.0" } },
        "node_modules/a-darwin": { name: "a-darwin", version: "1.0.0" },
      },
    };
    expect(findMissingOptional(broken)).toEqual([
      expect.stringMatching(/b\/node_modules\/a may use a-darwin 2.0.0, and there is only 1.0.0/),
    ]);
  });
  it("is refused when it names a registry", () => {
    const broken = { packages: { "node_modules/a": { name: "a", resolved: "https://registry.example/a.tgz" } } };
    expect(findResolved(broken)).toEqual([expect.stringMatching(/any registry/)]);
  });
  it("is refused when a manifest has moved on", () => {
    const moved = new Map([["packages/log", { name: "@viable/log", dependencies: { zod: "4.6.7" } }]]);
    expect(findDifferences({ packages: {} }, moved)).toEqual([expect.stringMatching(/dependencies of packages\/log/)]);
  });
});
