/**
 * Over all small registries: an answer is one version of each package that everybody's ranges allow and nothing that nobody asked for,
 * and there is one exactly where trying everything finds one.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Candidate, type Resolution, resolveVersions } from "./resolve-versions.ts";

type Registry = { readonly [name: string]: readonly Candidate[] };
type Ranges = { readonly [name: string]: string };

const names = ["a", "b", "c", "d"];
/** Versions are 1 to 3; a range names those it takes, as `13`. */
const satisfies = (version: string, range: string): boolean => range.includes(version);
const range = fc.subarray(["1", "2", "3"], { minLength: 1 }).map((versions) => versions.join(""));
const ranges = fc.dictionary(fc.constantFrom(...names), range, { maxKeys: 3, noNullPrototype: true });
const registry: fc.Arbitrary<Registry> = fc.record(
  Object.fromEntries(
    names.map((name) => [
      name,
      fc
        .subarray(["3", "2", "1"])
        .chain((versions) =>
          fc.tuple(...versions.map((version) => ranges.map((dependencies) => ({ version, dependencies })))),
        ),
    ]),
  ),
);

function resolve(wanted: Ranges, known: Registry): Resolution {
  const resolution = resolveVersions(wanted, satisfies);
  let step = resolution.next();
  while (!step.done) step = resolution.next(step.value === undefined ? [] : (known[step.value] ?? []));
  return step.value;
}

/** Whether one version of each package, or none of it, can be taken so that nobody misses anything: by trying all. */
function isPossible(wanted: Ranges, known: Registry, taken: Map<string, Candidate> = new Map(), at = 0): boolean {
  const name = names[at];
  if (name !== undefined) {
    if (isPossible(wanted, known, taken, at + 1)) return true;
    for (const candidate of known[name] ?? []) {
      if (isPossible(wanted, known, new Map(taken).set(name, candidate), at + 1)) return true;
    }
    return false;
  }
  const asks = [wanted, ...[...taken.values()].map((each) => each.dependencies)].flatMap((each) =>
    Object.entries(each),
  );
  return asks.every(([needed, asked]) => satisfies(taken.get(needed)?.version ?? "none", asked));
}

test("an answer is right, and there is one where there can be one", () => {
  fc.assert(
    fc.property(ranges, registry, (wanted, known) => {
      const { packages, conflicts } = resolve(wanted, known);
      expect(conflicts.length === 0).toBe(isPossible(wanted, known));
      const needed = new Set(Object.keys(wanted));
      for (const { candidate } of packages.values())
        for (const name of Object.keys(candidate.dependencies)) needed.add(name);
      if (conflicts.length > 0) return;
      expect(new Set(packages.keys())).toEqual(needed);
      for (const { candidate, asked } of packages.values()) {
        for (const each of asked) expect(satisfies(candidate.version, each.range)).toBe(true);
      }
    }),
    { numRuns: 2_000 },
  );
});
