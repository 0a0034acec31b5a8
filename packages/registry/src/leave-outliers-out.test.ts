// Proves the bounds of what may be left out, whatever fails: never more than half, never the last, and the worst first.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Candidate } from "./candidate.ts";
import { addressOf } from "./candidate.ts";
import { entryKey } from "./entry-record.ts";
import { leaveOutliersOut } from "./leave-outliers-out.ts";
import type { OutlierStanding } from "./outliers.ts";

const candidate = (processId: string, legacy = false): Candidate => ({
  key: entryKey("work", processId),
  registration: {
    service: "work",
    version: "0.0.0",
    tags: [],
    capabilities: ["work"],
    processId,
    epoch: 1,
    ...(legacy && { legacy }),
  },
  measurement: undefined,
  local: true,
  routed: 0,
});
const standing = (parts: Partial<OutlierStanding>): OutlierStanding => ({
  state: "ejected",
  reason: "it failed",
  faultShare: 1,
  share: 1,
  mayProbe: false,
  leftMs: 0,
  ...parts,
});
const anyStanding = fc.option(
  fc.record({
    state: fc.constantFrom("ejected" as const, "probing" as const, "recovering" as const),
    faultShare: fc.double({ min: 0.5, max: 1, noNaN: true }),
    share: fc.double({ min: 0.1, max: 1, noNaN: true }),
    mayProbe: fc.boolean(),
  }),
  { nil: undefined },
);

test("at most half of them are left out, and never the last, whatever fails", () => {
  fc.assert(
    fc.property(fc.array(anyStanding, { maxLength: 12 }), (given) => {
      const candidates = given.map((_, index) => candidate(`p${index}`));
      const standings = new Map(
        candidates.map((each, index) => {
          const parts = given[index];
          return [
            each,
            parts && standing({ ...parts, mayProbe: parts.state === "probing" && parts.mayProbe }),
          ] as const;
        }),
      );
      const { allowed, leftOut } = leaveOutliersOut(candidates, (each) => standings.get(each));
      expect(leftOut.length).toBeLessThanOrEqual(candidates.length / 2);
      expect(allowed.length + leftOut.length).toBe(candidates.length);
      if (candidates.length > 0) expect(allowed.length).toBeGreaterThan(0);
      const outOf = (address: string) => leftOut.some((each) => `work/${each.processId}` === address);
      const bad = [...standings].filter(
        ([, of]) => of?.state === "ejected" || (of?.state === "probing" && !of.mayProbe),
      );
      const worst = (out: boolean) =>
        bad.filter(([each]) => outOf(addressOf(each)) === out).map(([, of]) => of?.faultShare ?? 0);
      expect(Math.max(0.5, ...worst(false))).toBeLessThanOrEqual(Math.min(1, ...worst(true)));
      // None that is whole is left out.
      expect(leftOut.length).toBe(Math.min(bad.length, Math.floor(candidates.length / 2)));
    }),
    { numRuns: 1_000 },
  );
});

test("one that is left out has the reason, one that comes back its share, one that is to be tried says so", () => {
  const standings: Record<string, OutlierStanding> = {
    p1: standing({}),
    p2: standing({ state: "recovering", share: 0.4 }),
    p3: standing({ state: "probing", mayProbe: true }),
  };
  const { allowed, leftOut } = leaveOutliersOut(
    ["p0", "p1", "p2", "p3"].map((each) => candidate(each)),
    (each) => standings[each.registration.processId],
  );
  expect(leftOut).toEqual([{ service: "work", processId: "p1", reason: "ejected: it failed" }]);
  expect(allowed.map(({ share, probe }) => [share, probe])).toEqual([
    [undefined, undefined],
    [0.4, undefined],
    [undefined, "this task tries whether it is well again (it failed)"],
  ]);
});

test("legacy ones and the others are two sides: each keeps its last one, and half of its own, whatever fails on the other (W8)", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyStanding, fc.boolean()), { maxLength: 12 }), (given) => {
      const candidates = given.map(([, legacy], index) => candidate(`p${index}`, legacy));
      const standings = new Map(candidates.map((each, index) => [each, given[index]?.[0]] as const));
      const of = (among: readonly Candidate[]) => {
        const { allowed, leftOut } = leaveOutliersOut(among, (each) => {
          const parts = standings.get(each);
          return parts === undefined ? undefined : standing(parts);
        });
        return [allowed.map(addressOf), leftOut.map(({ processId }) => processId)].map((each) => each.sort());
      };
      const sides = [false, true].map((legacy) =>
        of(candidates.filter(({ registration }) => (registration.legacy === true) === legacy)),
      );
      expect(of(candidates)).toEqual([0, 1].map((index) => sides.flatMap((side) => side[index] ?? []).sort()));
    }),
  );
});

test("one that a rule names is no side of its own: where it fails, the rule's other services get its tasks", () => {
  const how = { policy: "weighted", weights: { work: 1 } } as const;
  const { leftOut } = leaveOutliersOut(
    [candidate("p0"), candidate("p1", true)],
    ({ registration }) => (registration.legacy === true ? standing({}) : undefined),
    how,
  );
  expect(leftOut).toMatchObject([{ processId: "p1" }]);
});
