// Proves what a placement decides, as a pure function: how many each gets, what moves when somebody joins or leaves, and that neither
// order nor how far a move has come changes the answer. Over random parts, members and weights.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PlacedPart, PlaceMember } from "./place-parts.ts";
import { placeParts, placeScore } from "./place-parts.ts";

const names = (count: number) => Array.from({ length: count }, (_, index) => `orders-${index}`);
const someMembers = (weight: fc.Arbitrary<number>, min = 1) =>
  fc
    .uniqueArray(fc.integer({ min: 0, max: 10_000 }), { minLength: min, maxLength: 9 })
    .chain((ids) => fc.tuple(...ids.map((id) => weight.map((own): PlaceMember => ({ id: `prc_${id}`, weight: own })))));
const anyWeight = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 1_000 }));
const anyParts = fc.integer({ min: 0, max: 60 }).map(names);
const ownersOf = (placed: readonly PlacedPart[]): Map<string, string> =>
  new Map(placed.flatMap(({ part, owner }) => (owner === undefined ? [] : [[part, owner] as const])));
const loadOf = (placed: readonly PlacedPart[], id: string) => placed.filter(({ owner }) => owner === id).length;
const reversed = <T>(items: readonly T[]): T[] => [...items].reverse();

/** A placement as many joins and leaves may have left it. */
const withHistory = fc.tuple(anyParts, fc.array(someMembers(anyWeight), { maxLength: 4 })).map(([parts, steps]) => {
  let now = new Map<string, string>();
  for (const members of steps) now = ownersOf(placeParts(parts, members, now));
  return { parts, now };
});

describe("how many each gets", () => {
  test("every part has an owner, nobody less than its share rounded down, nor more than stated", () => {
    fc.assert(
      fc.property(withHistory, someMembers(anyWeight), ({ parts, now }, members) => {
        const placed = placeParts(parts, members, now);
        expect(placed.map(({ part }) => part)).toEqual(parts);
        const total = members.reduce((sum, { weight = 1 }) => sum + weight, 0);
        for (const { id, weight = 1 } of members) {
          const load = loadOf(placed, id);
          expect(load).toBeGreaterThanOrEqual(Math.floor((parts.length * weight) / total));
          expect(load * total).toBeLessThanOrEqual(weight * (parts.length + members.length - 1));
        }
        expect(placed.every(({ owner }) => members.some(({ id }) => id === owner))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("where all weigh the same, all have as many, or one more", () => {
    fc.assert(
      fc.property(withHistory, someMembers(fc.constant(3)), ({ parts, now }, members) => {
        const loads = members.map(({ id }) => loadOf(placeParts(parts, members, now), id));
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 300 },
    );
  });

  test("nobody hosts it: nobody has it", () => {
    expect(placeParts(["a"], [], new Map([["a", "gone"]]))).toEqual([
      { part: "a", owner: undefined, reason: "nobody", from: "gone" },
    ]);
  });
});

describe("what moves", () => {
  test("where nobody comes or goes, nothing", () => {
    fc.assert(
      fc.property(withHistory, someMembers(anyWeight), ({ parts, now }, members) => {
        const before = ownersOf(placeParts(parts, members, now));
        expect(placeParts(parts, members, before).every(({ reason }) => reason === "kept")).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("on a join, only parts that go to whoever joined, and as many as it is to have", () => {
    fc.assert(
      fc.property(withHistory, someMembers(anyWeight, 2), ({ parts, now }, members) => {
        const joiner = members[0] as PlaceMember;
        const before = ownersOf(placeParts(parts, members.slice(1), now));
        const after = placeParts(parts, members, before);
        const moved = after.filter(({ reason }) => reason !== "kept");
        expect(moved.every(({ owner }) => owner === joiner.id)).toBe(true);
        const total = members.reduce((sum, { weight = 1 }) => sum + weight, 0);
        const mostly = ((joiner.weight ?? 1) * (parts.length + members.length - 1)) / total;
        expect(moved.length).toBeLessThanOrEqual(mostly);
      }),
      { numRuns: 300 },
    );
  });

  test("on a leave, only the parts of whoever left", () => {
    fc.assert(
      fc.property(withHistory, someMembers(anyWeight, 2), ({ parts, now }, members) => {
        const before = ownersOf(placeParts(parts, members, now));
        const leaver = members[0] as PlaceMember;
        const after = placeParts(parts, members.slice(1), before);
        for (const { part, reason, from } of after) {
          expect(reason).toBe(before.get(part) === leaver.id ? "adopted" : "kept");
          expect(from).toBe(before.get(part));
        }
      }),
      { numRuns: 300 },
    );
  });

  test("a plan that is carried out in part is the same plan: what is left goes where it was to go", () => {
    fc.assert(
      fc.property(withHistory, someMembers(anyWeight), fc.infiniteStream(fc.nat(2)), ({ parts, now }, members, how) => {
        const plan = placeParts(parts, members, now);
        // Of each move: not begun, given back and not taken, done.
        const midway = new Map(now);
        for (const { part, owner, reason } of plan) {
          const step = how.next().value as number;
          if (reason === "kept" || step === 0) continue;
          if (step === 1) midway.delete(part);
          else midway.set(part, owner as string);
        }
        expect(ownersOf(placeParts(parts, members, midway))).toEqual(ownersOf(plan));
      }),
      { numRuns: 500 },
    );
  });
});

describe("which ones", () => {
  test("a part stays with whoever has it, whoever else comes and weighs the same", () => {
    for (const id of [..."abcdefgh"]) {
      const members = [..."abcdefgh"].map((other) => ({ id: other }));
      expect(placeParts(["one"], members, new Map([["one", id]]))).toMatchObject([{ owner: id, reason: "kept" }]);
    }
  });

  test("whoever has more than its share gives away what belongs to it least", () => {
    const parts = names(40);
    const now = new Map(parts.map((part) => [part, "prc_a"]));
    const placed = placeParts(parts, [{ id: "prc_a" }, { id: "prc_b" }], now);
    const scores = (owner: string) =>
      placed.filter((part) => part.owner === owner).map(({ part }) => placeScore(part, "prc_a", 1));
    expect(Math.min(...scores("prc_a"))).toBeGreaterThan(Math.max(...scores("prc_b")));
  });

  test("order changes nothing", () => {
    fc.assert(
      fc.property(withHistory, someMembers(anyWeight), ({ parts, now }, members) => {
        const turned = placeParts(reversed(parts), reversed(members), new Map(reversed([...now])));
        expect(reversed(turned)).toEqual(placeParts(parts, members, now));
      }),
    );
  });

  test("without owners, a fifth member takes about a fifth, and the rest mostly stay, as in rendezvous hashing", () => {
    const parts = names(1_000);
    const five = [..."abcde"].map((id) => ({ id: `prc_${id}` }));
    const before = ownersOf(placeParts(parts, five.slice(0, 4)));
    const moved = placeParts(parts, five).filter(({ part, owner }) => before.get(part) !== owner);
    expect(moved.filter(({ owner }) => owner === "prc_e")).toHaveLength(200);
    expect(moved.length).toBeLessThan(300);
  });

  test("of many placements of one part, each member has about as many", () => {
    const members = [..."abcd"].map((id) => ({ id: `prc_${id}` }));
    const owners = names(400).map((part) => placeParts([part], members)[0]?.owner);
    for (const { id } of members) expect(owners.filter((owner) => owner === id).length).toBeGreaterThan(70);
  });
});

test.each([
  ["1,001 parts", () => placeParts(names(1_001), []), "cluster.invalid_placement"],
  ["a part twice", () => placeParts(["a", "a"], []), "cluster.invalid_placement"],
  ["a part that is no name", () => placeParts(["a/b"], []), "cluster.invalid_part"],
  ["a member twice", () => placeParts(["a"], [{ id: "m" }, { id: "m" }]), "cluster.invalid_placement"],
  ["a weight of half a part", () => placeParts(["a"], [{ id: "m", weight: 0.5 }]), "cluster.invalid_placement"],
])("%s is refused", (_what, place, code) => {
  expect(place).toThrow(expect.objectContaining({ code }));
});
