// Proves what each policy makes of claims, that it says why, and that a settlement says something of every claim: examples of each kind,
// and random claims against what the words of the policy say.
import { canonicalJson } from "@viable/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ConflictClaim, ConflictPolicy } from "./policy.ts";
import { settle, settleBy } from "./settle.ts";

const claims = (...names: string[]): ConflictClaim[] => names.map((by) => ({ by }));
const answering = (...answers: [by: string, answer: string][]): ConflictClaim[] =>
  answers.map(([by, answer]) => ({ by, answer }));

describe("a conflict is settled by its policy alone (S5)", () => {
  test("priority by a declared order: who is not in it comes last", () => {
    const policy: ConflictPolicy = { kind: "priority", order: ["security", "storage"] };
    expect(settle(policy, claims("tools", "storage", "security"))).toEqual({
      settled: true,
      winner: 2,
      reason: "security is number 1 of the declared order",
      losers: [
        { claim: 0, reason: "is not in the declared order, and security is number 1 of the declared order" },
        { claim: 1, reason: "is number 2 of the declared order, and security is number 1 of the declared order" },
      ],
    });
  });

  test("priority by number: of equal ones the first, and that is said", () => {
    const two = [{ by: "a" }, { by: "b", priority: 5 }, { by: "c", priority: 5 }];
    expect(settle({ kind: "priority" }, two)).toMatchObject({
      winner: 1,
      reason: "b has priority 5, and of those that are equal it came first",
      losers: [{ claim: 0 }, { claim: 2, reason: "came after b, which has the same rank" }],
    });
  });

  test("vote: equal answers are counted together, however their members are ordered", () => {
    const votes = [
      { by: "a", answer: { x: 1, y: 2 } },
      { by: "b", answer: 3 },
      { by: "c", answer: { y: 2, x: 1 } },
    ];
    expect(settle({ kind: "vote" }, votes)).toEqual({
      settled: true,
      winner: 0,
      reason: "its answer has 2 of 3 votes",
      losers: [{ claim: 1, reason: "its answer has 1 of 3 votes, another has 2" }],
    });
  });

  test("vote: weights count, and a tie is told and not broken", () => {
    const two = answering(["a", "yes"], ["b", "no"]);
    expect(settle({ kind: "vote" }, two)).toEqual({ settled: false, reason: "tie: 2 answers have 1 of 2 votes each" });
    expect(settle({ kind: "vote", weights: { b: 2 } }, two)).toMatchObject({ winner: 1 });
    expect(settle({ kind: "vote", weights: { a: 0, b: 0 } }, two)).toMatchObject({ settled: false });
    // A name that every object has is not a weight.
    expect(settle({ kind: "vote", weights: { a: 2 } }, answering(["a", "yes"], ["constructor", "no"]))).toMatchObject({
      winner: 0,
    });
  });

  test("lock: the first; newest: the last", () => {
    const three = claims("a", "b", "c");
    expect(settle({ kind: "lock" }, three)).toMatchObject({ winner: 0, losers: [{ claim: 1 }, { claim: 2 }] });
    expect(settle({ kind: "newest" }, three)).toMatchObject({ winner: 2, losers: [{ claim: 0 }, { claim: 1 }] });
  });

  test("what is no policy, and no claims, are refused", () => {
    const unknown = { kind: "loudest" } as unknown as ConflictPolicy;
    expect(() => settle(unknown, claims("a"))).toThrowError(
      expect.objectContaining({ code: "registry.unknown_policy" }),
    );
    expect(() => settleBy(unknown)).toThrowError(expect.objectContaining({ code: "registry.unknown_policy" }));
    expect(() => settle({ kind: "lock" }, [])).toThrowError(expect.objectContaining({ code: "registry.no_claims" }));
  });

  test("random claims: everyone has won, agreed with who won, or been told why not", () => {
    const name = fc.constantFrom("a", "b", "c", "d");
    const claim = fc.record({
      by: name,
      priority: fc.integer({ min: 0, max: 3 }),
      answer: fc.constantFrom("x", "y", 1),
    });
    const policy: fc.Arbitrary<ConflictPolicy> = fc.oneof(
      fc.constant<ConflictPolicy>({ kind: "lock" }),
      fc.constant<ConflictPolicy>({ kind: "newest" }),
      fc.constant<ConflictPolicy>({ kind: "priority" }),
      fc.record({ kind: fc.constant("priority" as const), order: fc.uniqueArray(name, { minLength: 1 }) }),
      fc.record({ kind: fc.constant("vote" as const), weights: fc.dictionary(name, fc.integer({ min: 0, max: 3 })) }),
    );
    fc.assert(
      fc.property(policy, fc.array(claim, { minLength: 1, maxLength: 8 }), (by, all) => {
        const settled = settle(by, all);
        expect(settled).toEqual(settle(by, all));
        if (!settled.settled) return void expect(by.kind).toBe("vote");
        const winner = all[settled.winner] as (typeof all)[number];
        expect(winnerOf(by, all)).toBe(settled.winner);
        const lost = all.flatMap((each, index) =>
          index === settled.winner || canonicalJson(each.answer) === canonicalJson(winner.answer) ? [] : [index],
        );
        expect(settled.losers.map((loser) => loser.claim)).toEqual(lost);
        expect(settled.losers.every(({ reason }) => reason.length > 0)).toBe(true);
      }),
    );
  });
});

/** The place of who wins, said the long way. */
function winnerOf(policy: ConflictPolicy, all: readonly ConflictClaim[]): number {
  const isBeaten = (index: number): boolean => {
    const one = all[index] as ConflictClaim;
    return all.some((other, at) => {
      if (at === index) return false;
      if (policy.kind === "lock") return at < index;
      if (policy.kind === "newest") return at > index;
      if (policy.kind === "vote") {
        const weight = (answer: unknown) =>
          all.filter((each) => each.answer === answer).reduce((sum, { by }) => sum + (policy.weights?.[by] ?? 1), 0);
        return weight(other.answer) > weight(one.answer) || (other.answer === one.answer && at < index);
      }
      const place = (by: string) => (policy.order?.includes(by) ? policy.order.indexOf(by) : 1_000);
      const better =
        policy.order === undefined ? (other.priority ?? 0) - (one.priority ?? 0) : place(one.by) - place(other.by);
      return better > 0 || (better === 0 && at < index);
    });
  };
  return all.findIndex((_, index) => !isBeaten(index));
}
