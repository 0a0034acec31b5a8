/**
 * The checker of runs bites: a history that is right passes, and each way in which one can be wrong is found and named. The histories are
 * made up here; what real ones look like is the fault tests' business.
 */
import { expect, test } from "vitest";
import type { RunStep, Violation } from "./check-runs.ts";
import { judgeRuns, judgeStill } from "./check-runs.ts";
import type { SinkCall, SinkOutcome } from "./sink-lines.ts";
import type { TransferInput } from "./transfer.ts";
import { transferPostings } from "./transfer.ts";
import type { Told } from "./worker-process.ts";
import { nothingTold } from "./worker-process.ts";

const input: TransferInput = {
  from: "a",
  to: "b",
  amount: 100,
  fee: 1,
  net: 99,
  isRefused: false,
  feeFailures: 0,
  rate: 0,
  isOnce: true,
  restMs: 0,
  awaits: "",
  notifyFails: false,
};
const deposit = "delivery:once/deposit";
const claim = (process: string, epoch: number, attempt: number) => ({ processId: process, epoch, attempt });

const started = (more: Partial<TransferInput> = {}): RunStep => ({
  type: "run.started",
  data: { reactor: "transfer", input: { ...input, ...more }, key: "one", claim: claim("p", 1, 1) },
});
const claimed = (process: string, epoch: number, attempt: number): RunStep => ({
  type: "run.claimed",
  data: claim(process, epoch, attempt),
});
const done = (step: string): RunStep => ({ type: "step.succeeded", data: { step } });
const failed = (step: string): RunStep => ({ type: "step.failed", data: { step, attempt: 1 } });
const undone = (step: string, of: number): RunStep => ({ type: "step.undone", data: { step, of } });
const completed: RunStep = { type: "run.completed", data: {} };
const compensated: RunStep = { type: "run.compensated", data: {} };
const undoing: RunStep = { type: "run.undoing", data: {} };

/** A transfer that went well. */
const steps = [done("withdraw"), done("fee"), done(deposit), done("notify")];
const good = [started(), ...steps, completed];
/** One whose last step failed for good. */
const fails = { notifyFails: true };
const undos = [undone(deposit, 4), undone("fee", 3), undone("withdraw", 2)];
const bad = [started(fails), ...steps.slice(0, 3), failed("notify"), undoing, ...undos, compensated];

const call = (op: SinkCall["op"], step: string, outcome: SinkOutcome = "done", run = "run"): SinkCall => ({
  op,
  key: `${run}/${step}`,
  run,
  step,
  postings: op === "post" || op === "once" ? (transferPostings(input)[step] ?? []) : [],
  by: "p@1",
  claim: 1,
  outcome,
});
const posts = [call("post", "withdraw"), call("post", "fee"), call("once", deposit), call("post", "notify")];
const undoCalls = [call("undo", deposit), call("undo", "fee"), call("undo", "withdraw")];
const compensatedCalls = [...posts.slice(0, 3), ...undoCalls];

const judge = (
  events: readonly RunStep[],
  calls: readonly SinkCall[],
  { told = nothingTold(), acknowledged = [["one", "run"]] }: { told?: Told; acknowledged?: [string, string][] } = {},
): Violation[] => judgeRuns(new Map([["run", events]]), new Map(acknowledged), calls, told);
const kinds = (violations: readonly Violation[]): readonly string[] => [...new Set(violations.map(({ kind }) => kind))];
const without = <T>(list: readonly T[], index: number): T[] => list.filter((_, at) => at !== index);
const swapped = <T>(list: readonly T[], index: number): T[] =>
  list.map((each, at) => (at === index ? list[at + 1] : at === index + 1 ? list[at - 1] : each) as T);

test("a transfer that completed, one that was undone, and one that was undone later are right", () => {
  expect(judge(good, posts)).toEqual([]);
  expect(judge(bad, compensatedCalls)).toEqual([]);
  const requested: RunStep = { type: "run.undo_requested", data: {} };
  const later = [...good, requested, claimed("q", 2, 2), undoing, ...undos, compensated];
  expect(judge(later, [...posts, ...undoCalls])).toEqual([]);
});

test("a run that was acknowledged and is not there, or has no ending, is lost", () => {
  expect(kinds(judge(good, posts, { acknowledged: [["two", "other"]] }))).toEqual(["lost"]);
  expect(kinds(judge(good.slice(0, -1), posts))).toEqual(["lost"]);
});

test("a second outcome of a step, a second ending, a second undo and a second beginning are found", () => {
  expect(kinds(judge([...good.slice(0, 3), failed("fee"), ...good.slice(3)], posts))).toContain("doubled");
  expect(kinds(judge([...good, compensated], posts))).toContain("doubled");
  const twice = [...bad.slice(0, -1), undone("withdraw", 2), compensated];
  expect(kinds(judge(twice, compensatedCalls))).toContain("doubled");
  const runs = new Map([
    ["run", good],
    ["other", good],
  ]);
  const calls = [...posts, ...posts.map(({ op, step }) => call(op, step, "done", "other"))];
  expect(kinds(judgeRuns(runs, new Map(), calls, nothingTold()))).toEqual(["doubled"]);
});

test("what was done twice, not at all, or was left behind outside is found", () => {
  expect(kinds(judge(good, [...posts, call("once", deposit)]))).toContain("doubled");
  expect(kinds(judge(good, without(posts, 2)))).toEqual(["half"]);
  expect(kinds(judge(bad, without(compensatedCalls, 3)))).toEqual(["half"]);
  expect(kinds(judge(good, [...posts, call("undo", deposit)]))).toEqual(["half"]);
  expect(kinds(judge(bad, [...compensatedCalls, call("undo", "fee", "defect")]))).toEqual(["order"]);
});

test("a step before what it depends on is found, in the log and outside", () => {
  expect(kinds(judge(swapped(good, 2), posts))).toEqual(["order"]);
  expect(kinds(judge(good, swapped(posts, 1)))).toEqual(["order"]);
  expect(kinds(judge(bad, swapped(compensatedCalls, 3)))).toEqual(["order"]);
  const wrongWay = [...bad.slice(0, 6), ...undos.toReversed(), compensated];
  expect(kinds(judge(wrongWay, compensatedCalls))).toContain("order");
});

test("an ending that what happened does not lead to is found", () => {
  expect(kinds(judge([started(fails), ...good.slice(1)], posts))).toEqual(["ending"]);
  const cancelled: RunStep = { type: "run.cancel_requested", data: {} };
  expect(kinds(judge([...good.slice(0, 2), cancelled, ...good.slice(2)], posts))).toEqual(["ending"]);
  expect(kinds(judge([...bad.slice(0, -2), compensated], without(compensatedCalls, 5)))).toEqual(["half"]);
});

test("who writes without the claim, or claims what was taken away, is found", () => {
  const taken = [...good.slice(0, 2), claimed("q", 2, 2), ...good.slice(2)];
  expect(judge(taken, posts)).toEqual([]);
  const wrote = (by: string): Told => ({ ...nothingTold(), wrote: [{ runId: "run", from: 4, count: 1, by }] });
  expect(judge(taken, posts, { told: wrote("q@2") })).toEqual([]);
  expect(kinds(judge(taken, posts, { told: wrote("p@1") }))).toEqual(["fence"]);
  const back = [...taken.slice(0, 3), claimed("p", 1, 3), ...taken.slice(3)];
  expect(kinds(judge(back, posts))).toEqual(["fence"]);
  const skips = [...good.slice(0, 2), claimed("q", 2, 3), ...good.slice(2)];
  expect(kinds(judge(skips, posts))).toEqual(["fence"]);
  const missing: Told = { ...nothingTold(), wrote: [{ runId: "run", from: 7, count: 1, by: "p@1" }] };
  expect(kinds(judge(good, posts, { told: missing }))).toEqual(["lost"]);
});

test("while nothing goes on, what was called before its reason was durable is found", () => {
  const still = (events: readonly RunStep[], calls: readonly SinkCall[]) =>
    kinds(judgeStill(new Map([["run", events]]), calls));
  expect(still(good.slice(0, 3), posts.slice(0, 2))).toEqual([]);
  expect(still(good.slice(0, 1), posts.slice(0, 2))).toEqual(["order"]);
  expect(still([], posts.slice(0, 1)).length + judgeStill(new Map(), posts.slice(0, 1)).length).toBeGreaterThan(0);
  // Its beginning is to be recorded first, since it must not be done twice.
  expect(still(good.slice(0, 3), posts.slice(0, 3))).toEqual(["order"]);
  expect(still(bad.slice(0, 4), compensatedCalls)).toEqual(["order"]);
});
