// Proves what each kind of plan decides, without any input or output: what begins, what is cancelled, how it ends and why. Each decision is a
// function of what has come of the members (W8).
import type { JsonValue } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { DelegateOutcome } from "../delegation.ts";
import { decideFirstSuccess, firstSuccess } from "./first-success.ts";
import { decideParallel, parallel } from "./parallel.ts";
import type { AnswerSettler, FirstSuccessPlan, MemberState, ParallelPlan, QuorumPlan, SequencePlan } from "./plan.ts";
import { decideQuorum, quorum } from "./quorum.ts";
import { decideSequence, sequence } from "./sequence.ts";

const about = { name: "p", capability: "together", description: "Does it together.", input: z.unknown() };
const members = [{ capability: "a" }, { capability: "b" }, { capability: "c" }];
const done = (result: JsonValue): DelegateOutcome => ({ ok: true, executionId: `exe_${result}`, result });
const failed: DelegateOutcome = {
  ok: false,
  status: "failed",
  executionId: "exe_f",
  error: { code: "broken", message: "It broke.", retryable: false },
};
const at = (states: readonly MemberState[], sinceBegunMs = 0) => ({ input: 5, members: states, sinceBegunMs });
const none = ["unbegun", "unbegun", "unbegun"] as const;

describe("parallel", () => {
  const decide = (more: object, states: readonly MemberState[]) =>
    decideParallel(parallel({ ...about, members, ...more }).plan as ParallelPlan, at(states));

  test("all begin at once; all are wanted, so the first failure ends it and cancels the others", () => {
    expect(decide({}, none)).toEqual({ begin: [0, 1, 2], cancel: [] });
    expect(decide({}, [done(1), "begun", "begun"])).toEqual({ begin: [], cancel: [] });
    expect(decide({}, [done(1), failed, "begun"])).toEqual({
      begin: [],
      cancel: [2],
      end: { ok: false, code: "plan.member_failed", reason: "all were wanted, and b failed (broken)" },
    });
    expect(decide({}, [done(1), done(null), done(3)]).end).toEqual({
      ok: true,
      value: [1, null, 3],
      reason: "3 of 3 succeeded",
    });
  });

  test("some are enough: all are waited for, and what is missing is said", () => {
    const some = { require: "some" };
    expect(decide(some, [failed, "begun", done(3)])).toEqual({ begin: [], cancel: [] });
    expect(decide(some, [failed, done(2), done(3)]).end).toEqual({
      ok: true,
      value: [null, 2, 3],
      reason: "2 of 3 succeeded; missing: a failed (broken)",
    });
    expect(decide(some, [failed, failed, failed]).end).toMatchObject({ ok: false, code: "plan.none_succeeded" });
  });

  test("results are combined in the order of the members, with the input, also to null", () => {
    const combine = (results: readonly unknown[], input: unknown) => [input, ...results].join();
    expect(decide({ combine }, [done(1), done(2), done(3)]).end).toMatchObject({ value: "5,1,2,3" });
    expect(decide({ combine, require: "some" }, [done(1), failed, done(3)]).end).toMatchObject({ value: "5,1,,3" });
    expect(decide({ combine: () => null }, [done(1), done(2), done(3)]).end).toMatchObject({ value: null });
  });
});

describe("sequence", () => {
  const decide = (more: object, states: readonly MemberState[]) =>
    decideSequence(sequence({ ...about, members, ...more }).plan as SequencePlan, at(states));

  test("one begins when the one before has succeeded, and the first failure stops it", () => {
    expect(decide({}, none)).toEqual({ begin: [0], cancel: [] });
    expect(decide({}, ["begun", "unbegun", "unbegun"])).toEqual({ begin: [], cancel: [] });
    expect(decide({}, [done(1), "unbegun", "unbegun"])).toEqual({ begin: [1], cancel: [] });
    expect(decide({}, [done(1), failed, "unbegun"]).end).toEqual({
      ok: false,
      code: "plan.member_failed",
      reason: "b failed (broken), and 1 after it did not begin",
    });
  });

  test("its value is the last result, or what is made of all", () => {
    const all = [done(1), done(2), done(3)];
    expect(decide({}, all).end).toMatchObject({ ok: true, value: 3 });
    expect(decide({ combine: (results: number[], input: number) => [...results, input] }, all).end).toMatchObject({
      value: [1, 2, 3, 5],
    });
    expect(decide({ combine: () => null }, all).end).toMatchObject({ value: null });
  });
});

describe("firstSuccess", () => {
  const decide = (more: object, states: readonly MemberState[], sinceBegunMs = 0) =>
    decideFirstSuccess(firstSuccess({ ...about, members, ...more }).plan as FirstSuccessPlan, at(states, sinceBegunMs));

  test("in order: the next when the one before has failed, however long that takes", () => {
    expect(decide({}, none)).toEqual({ begin: [0], cancel: [] });
    expect(decide({}, ["begun", "unbegun", "unbegun"], 1e9)).toEqual({ begin: [], cancel: [] });
    expect(decide({}, [failed, "unbegun", "unbegun"])).toEqual({ begin: [1], cancel: [] });
    expect(decide({}, [failed, done(2), "unbegun"]).end).toEqual({ ok: true, value: 2, reason: "b succeeded" });
    expect(decide({}, [failed, failed, failed]).end).toMatchObject({ ok: false, code: "plan.none_succeeded" });
  });

  test("hedged: the next after the delay too, and at once when the one before has failed", () => {
    const hedged = { hedgeAfterMs: 100 };
    expect(decide(hedged, ["begun", "unbegun", "unbegun"], 30)).toEqual({ begin: [], cancel: [], lookAgainMs: 70 });
    expect(decide(hedged, ["begun", "unbegun", "unbegun"], 100)).toEqual({ begin: [1], cancel: [] });
    expect(decide(hedged, ["begun", failed, "unbegun"])).toEqual({ begin: [2], cancel: [] });
    expect(decide(hedged, ["begun", failed, "begun"], 500)).toEqual({ begin: [], cancel: [] });
  });

  test("at once: all begin, and one success cancels the others", () => {
    expect(decide({ hedgeAfterMs: 0 }, none)).toEqual({ begin: [0, 1, 2], cancel: [] });
    expect(decide({ hedgeAfterMs: 0 }, ["begun", done(2), "begun"])).toMatchObject({
      cancel: [0, 2],
      end: { value: 2 },
    });
  });
});

describe("quorum", () => {
  const decide = (states: readonly MemberState[], onConflict?: AnswerSettler) =>
    decideQuorum(
      quorum({ ...about, members, atLeast: 2, ...(onConflict && { onConflict }) }).plan as QuorumPlan,
      at(states),
    );
  const first: AnswerSettler = {
    policy: { kind: "first-named" },
    byLogOrder: false,
    settle: () => ({ settled: true, winner: 0, losers: [{ claim: 1, reason: "named later" }], reason: "named first" }),
  };

  test("enough equal answers end it, however their members are ordered, and cancel the rest", () => {
    expect(decide(none)).toEqual({ begin: [0, 1, 2], cancel: [] });
    const x = done(1);
    const answer = (result: JsonValue): DelegateOutcome => ({ ok: true, executionId: "exe_1", result });
    expect(decide([answer({ x: 1, y: 2 }), "begun", answer({ y: 2, x: 1 })])).toEqual({
      begin: [],
      cancel: [1],
      end: { ok: true, value: { x: 1, y: 2 }, reason: "2 of 3 answered the same, and 2 were wanted" },
    });
    expect(decide([x, done(2), "begun"])).toEqual({ begin: [], cancel: [] });
  });

  test("it fails as soon as none can have enough", () => {
    expect(decide([done(1), failed, failed]).end).toEqual({
      ok: false,
      code: "plan.no_quorum",
      reason: "2 equal answers were wanted, and no more than 1 of 3 could be; b failed (broken); c failed (broken)",
    });
    expect(decide([failed, failed, "begun"])).toMatchObject({ cancel: [2], end: { code: "plan.no_quorum" } });
  });

  test("contradicting answers are settled by the declared policy (S5), once all are in, and how is told", () => {
    // None can have enough any more, and yet the third may have something to say.
    const { plan } = quorum({ ...about, members, atLeast: 3, onConflict: first });
    expect(decideQuorum(plan as QuorumPlan, at([done(1), done(2), "begun"]))).toEqual({ begin: [], cancel: [] });
    expect(decide([failed, done(7), done(8)], first).end).toEqual({
      ok: true,
      value: 7,
      reason:
        "2 equal answers were wanted, and no more than 1 of 3 could be; a failed (broken); settled by first-named for b: named first",
      conflict: { policy: "first-named", winner: "b", losers: [{ member: "c", reason: "named later" }] },
    });
    const open: AnswerSettler = { ...first, settle: () => ({ settled: false, reason: "tie" }) };
    expect(decide([done(1), done(2), done(3)], open).end).toMatchObject({ ok: false, code: "plan.conflict_unsettled" });
    // One answer alone contradicts nothing: there is nothing to settle, and too few have said it.
    expect(decide([done(1), failed, failed], first).end).toMatchObject({ ok: false, code: "plan.no_quorum" });
  });
});

describe("a definition", () => {
  test("is an agent and data, frozen, with its plan to look at", () => {
    const defined = quorum({ ...about, members: [...members, { capability: "c" }], atLeast: 3 });
    expect(defined).toMatchObject({
      kind: "agent",
      capability: "together",
      isolation: { kind: "inline" },
      maxAttempts: 10,
    });
    expect(defined.plan).toMatchObject({ kind: "quorum", atLeast: 3 });
    expect(defined.plan.members.map(({ name }) => name)).toEqual(["a", "b", "c#3", "c#4"]);
    expect([defined, defined.plan, defined.plan.members, defined.plan.members[0]].every(Object.isFrozen)).toBe(true);
  });

  test.each([
    ["no members", () => parallel({ ...about, members: [] }), "members must be 1 to 32"],
    ["too many", () => parallel({ ...about, members: Array(33).fill({ capability: "a" }) }), "members must be 1 to 32"],
    [
      "a name twice",
      () =>
        sequence({
          ...about,
          members: [
            { name: "x", capability: "a" },
            { name: "x", capability: "b" },
          ],
        }),
      'names "x" twice',
    ],
    ["itself", () => sequence({ ...about, members: [{ capability: "together" }] }), "would go round in a circle"],
    ["no time", () => parallel({ ...about, members: [{ capability: "a", timeoutMs: 0 }] }), "timeoutMs of more than 0"],
    [
      "half a quorum",
      () => quorum({ ...about, members: [...members, { capability: "d" }], atLeast: 2 }),
      "more than half of its 4",
    ],
    ["no delay", () => firstSuccess({ ...about, members, hedgeAfterMs: -1 }), "hedgeAfterMs must be"],
    [
      "a policy that goes by the log's order",
      () =>
        quorum({
          ...about,
          members,
          atLeast: 2,
          onConflict: { policy: { kind: "newest" }, byLogOrder: true, settle: () => ({ settled: false, reason: "" }) },
        }),
      'onConflict cannot be "newest"',
    ],
  ])("with %s is refused", (_why, define, reason) => {
    expect(define).toThrowError(
      expect.objectContaining({ code: "config.invalid", message: expect.stringContaining(reason) }),
    );
  });
});
