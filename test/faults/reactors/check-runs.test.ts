/**
 * The checker of runs bites: a history that is right passes, and each way in which one can be wrong is found and named. The histories are
 * made up here; what real ones look like is the fault tests' business.
 */
import { describe, expect, test } from "vitest";
import type { Acknowledged, RunStep, Runs, Violation } from "./check-runs.ts";
import { judgeRuns, judgeStill, nothingAcknowledged } from "./check-runs.ts";
import type { SinkCall, SinkOutcome } from "./sink-lines.ts";
import type { TransferInput } from "./transfer.ts";
import { exchangeFails, exchangePostings, transferPostings } from "./transfer.ts";
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

const event = (type: string, data: RunStep["data"] = {}, timeMs = 0): RunStep => ({ type, timeMs, data });
const started = (more: Partial<TransferInput> = {}): RunStep =>
  event("run.started", { reactor: "transfer", input: { ...input, ...more }, key: "one", claim: claim("p", 1, 1) });
const claimed = (process: string, epoch: number, attempt: number): RunStep =>
  event("run.claimed", claim(process, epoch, attempt));
const done = (step: string, timeMs = 0): RunStep => event("step.succeeded", { step }, timeMs);
const failed = (step: string): RunStep => event("step.failed", { step, attempt: 1 });
const undone = (step: string, of: number): RunStep => event("step.undone", { step, of });
const completed = event("run.completed");
const compensated = event("run.compensated");
const undoing = event("run.undoing");
const undoRequested = event("run.undo_requested");
const cancelRequested = event("run.cancel_requested");

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

/** What whoever began a run was told, where it is there as they asked for it. */
const begunAs = ([first]: readonly RunStep[]): Acknowledged => ({
  ...nothingAcknowledged(),
  begun: [{ key: "one", runId: "run", input: first?.data.input as TransferInput }],
});
const judge = (
  events: readonly RunStep[],
  calls: readonly SinkCall[],
  { told = nothingTold(), acknowledged = begunAs(events) }: { told?: Told; acknowledged?: Acknowledged } = {},
): Violation[] => judgeRuns(new Map([["run", events]]), acknowledged, calls, told);
const kinds = (violations: readonly Violation[]): readonly string[] => [...new Set(violations.map(({ kind }) => kind))];
const without = <T>(list: readonly T[], index: number): T[] => list.filter((_, at) => at !== index);
const swapped = <T>(list: readonly T[], index: number): T[] =>
  list.map((each, at) => (at === index ? list[at + 1] : at === index + 1 ? list[at - 1] : each) as T);

test("a transfer that completed, one that was undone, and one that was undone later are right", () => {
  expect(judge(good, posts)).toEqual([]);
  expect(judge(bad, compensatedCalls)).toEqual([]);
  const later = [...good, undoRequested, claimed("q", 2, 2), undoing, ...undos, compensated];
  expect(judge(later, [...posts, ...undoCalls])).toEqual([]);
});

test("a run that was acknowledged and is not there, or has no ending, is lost", () => {
  const acknowledged = { ...nothingAcknowledged(), begun: [{ key: "two", runId: "other", input }] };
  expect(kinds(judge(good, posts, { acknowledged }))).toEqual(["lost"]);
  expect(kinds(judge(good.slice(0, -1), posts))).toEqual(["lost"]);
});

test("a run that was acknowledged under another key, or with another input, than it has is lost", () => {
  const asked = (more: object) => ({
    ...nothingAcknowledged(),
    begun: [{ key: "one", runId: "run", input, ...more }],
  });
  expect(kinds(judge(good, posts, { acknowledged: asked({}) }))).toEqual([]);
  expect(kinds(judge(good, posts, { acknowledged: asked({ key: "two" }) }))).toEqual(["lost"]);
  expect(kinds(judge(good, posts, { acknowledged: asked({ input: { ...input, to: "c" } }) }))).toEqual(["lost"]);
});

test("an order that was acknowledged and is not in its run is lost, also where another of its kind is", () => {
  const ordered = (...whats: ("cancel" | "undo" | "review")[]) => ({
    acknowledged: { ...nothingAcknowledged(), orders: whats.map((what) => ({ what, runId: "run" })) },
  });
  const later = [...good, undoRequested, undoing, ...undos, compensated];
  const laterCalls = [...posts, ...undoCalls];
  for (const what of ["cancel", "undo", "review"] as const)
    expect(kinds(judge(good, posts, ordered(what)))).toEqual(["lost"]);
  expect(judge(later, laterCalls, ordered("undo"))).toEqual([]);
  expect(kinds(judge(later, laterCalls, ordered("undo", "undo")))).toEqual(["lost"]);
  const cancelled = [
    started(),
    done("withdraw"),
    cancelRequested,
    undoing,
    undone("withdraw", 2),
    event("run.cancelled"),
  ];
  const cancelledCalls = [call("post", "withdraw"), call("undo", "withdraw")];
  expect(judge(cancelled, cancelledCalls, ordered("cancel"))).toEqual([]);
  const asked = event("run.needs_review", { step: deposit });
  const reviewed = [...bad.slice(0, 6), asked, event("run.reviewed", { step: deposit }), ...bad.slice(6)];
  expect(judge(reviewed, compensatedCalls, ordered("review"))).toEqual([]);
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
  expect(kinds(judgeRuns(runs, nothingAcknowledged(), calls, nothingTold()))).toEqual(["doubled"]);
});

test("what was done twice, not at all, or was left behind outside is found", () => {
  expect(kinds(judge(good, [...posts, call("once", deposit)]))).toContain("doubled");
  expect(kinds(judge(good, without(posts, 3)))).toEqual(["half"]);
  expect(kinds(judge(bad, without(compensatedCalls, 3)))).toEqual(["half"]);
  expect(kinds(judge(good, [...posts, call("undo", deposit)]))).toEqual(["half"]);
  expect(kinds(judge(bad, [...compensatedCalls, call("undo", "fee", "defect")]))).toEqual(["order"]);
});

test("what was done otherwise than it was to be is found, whatever was asked for after it", () => {
  const wrongFee = { ...call("post", "fee"), postings: [["fees", 5]] as const };
  const calls = [posts[0] as SinkCall, wrongFee, call("post", "fee", "repeated"), ...posts.slice(2)];
  expect(judge(good, calls).map(({ text }) => text)).toContain('run: fee posted [["fees",5]]');
});

test("a step before what it depends on is found, in the log and outside", () => {
  expect(kinds(judge(swapped(good, 2), posts))).toEqual(["order"]);
  expect(kinds(judge(good, swapped(posts, 1)))).toEqual(["order"]);
  expect(kinds(judge(bad, swapped(compensatedCalls, 3)))).toEqual(["order"]);
  const wrongWay = [...bad.slice(0, 6), ...undos.toReversed(), compensated];
  expect(kinds(judge(wrongWay, compensatedCalls))).toContain("order");
});

test("a step before what it depends on is found also where that was never done outside", () => {
  const refused = [started({ isRefused: true }), failed("withdraw"), event("run.failed")];
  expect(judge(refused, [])).toEqual([]);
  expect(kinds(judge(refused, [call("post", "notify")]))).toEqual(["order"]);
  expect(kinds(judge(refused, [call("post", "fee"), call("void", "fee")]))).toEqual(["order"]);
});

test("a rest that ends before its time is found", () => {
  const rest = "timing:rests/rest";
  const waits = event("step.waiting", { step: rest, wait: { for: "time", until: 2_000 } }, 1_000);
  const rested = (atMs: number) => [
    started({ restMs: 1_000 }),
    ...steps.slice(0, 2),
    waits,
    done(rest, atMs),
    ...steps.slice(2),
    completed,
  ];
  expect(judge(rested(2_000), posts)).toEqual([]);
  expect(kinds(judge(rested(1_999), posts))).toEqual(["order"]);
});

test("an ending that what happened does not lead to is found", () => {
  expect(kinds(judge([started(fails), ...good.slice(1)], posts))).toEqual(["ending"]);
  expect(kinds(judge([...good.slice(0, 2), cancelRequested, ...good.slice(2)], posts))).toEqual(["ending"]);
  expect(kinds(judge([...bad.slice(0, -2), compensated], without(compensatedCalls, 5)))).toEqual(["half"]);
});

test("a stream that makes no sense is found", () => {
  const shapes = (events: readonly RunStep[], calls = compensatedCalls) => kinds(judge(events, calls));
  expect(shapes(good.slice(1), posts)).toContain("shape");
  expect(shapes([...bad.slice(0, 6), done("notify"), ...bad.slice(6)])).toContain("shape");
  expect(shapes([...bad.slice(0, 6), undone(deposit, 3), ...bad.slice(7)])).toContain("shape");
  const early = [...good, undoRequested, ...undos, undoing, compensated];
  expect(shapes(early, [...posts, ...undoCalls])).toContain("shape");
});

test("a run that the sink knows and the log does not is found", () => {
  expect(kinds(judge(good, [...posts, call("post", "notify", "done", "stranger")]))).toEqual(["shape"]);
});

describe("a transfer that exchanges money", () => {
  const exchange = "conversion:abroad/exchange";
  const abroad = { rate: 3 };
  const idOf = (fails: "sell" | "buy" | undefined, nr = 0): string =>
    Array.from({ length: 100 }, (_, at) => `inner-${at}`).filter((id) => exchangeFails(id) === fails)[nr] as string;
  const well = idOf(undefined);
  const inner = (...events: RunStep[]): RunStep[] => [
    event("run.started", {
      reactor: "exchange",
      input: { net: 99, rate: 3 },
      parent: { runId: "run", step: exchange },
    }),
    ...events,
  ];
  const exchanged = inner(done("sell"), done("buy"), completed);
  /** What an exchange does that begins, and takes back. */
  const innerCall = (
    op: SinkCall["op"],
    run: string,
    step: "sell" | "buy",
    outcome: SinkOutcome = "done",
  ): SinkCall => ({
    ...call(op, step, outcome, run),
    postings: op === "post" ? exchangePostings({ net: 99, rate: 3 })[step] : [],
  });
  const outerCall = (op: SinkCall["op"], step: string): SinkCall => ({
    ...call(op, step),
    postings: op === "post" || op === "once" ? (transferPostings({ ...input, ...abroad })[step] ?? []) : [],
  });
  const before = [outerCall("post", "withdraw"), outerCall("post", "fee")];
  const after = [outerCall("once", deposit), outerCall("post", "notify")];
  const exchanges = [innerCall("post", well, "sell"), innerCall("post", well, "buy")];
  const whole = [started(abroad), ...steps.slice(0, 2), done(exchange), ...steps.slice(2), completed];
  const judgeAll = (runs: Runs, calls: readonly SinkCall[]) =>
    judgeRuns(runs, nothingAcknowledged(), calls, nothingTold());
  const outcome = (runs: Record<string, RunStep[]>, calls: readonly SinkCall[]) =>
    kinds(judgeAll(new Map(Object.entries(runs)), calls));

  /** One that fails first, and what it does outside. */
  const badly = idOf("buy");
  const failedInner = inner(done("sell"), failed("buy"), undoing, undone("sell", 2), compensated);
  const failedCalls = [
    innerCall("post", badly, "sell"),
    innerCall("void", badly, "buy", "nothing"),
    innerCall("undo", badly, "sell"),
  ];

  test("is right where its exchange stands, and where one that failed is undone and another stands", () => {
    expect(outcome({ run: whole, [well]: exchanged }, [...before, ...exchanges, ...after])).toEqual([]);
    const runs = { run: whole, [badly]: failedInner, [well]: exchanged };
    expect(outcome(runs, [...before, ...failedCalls, ...exchanges, ...after])).toEqual([]);
  });

  test("is lost where its exchange is there and it is not", () => {
    expect(outcome({ [well]: exchanged }, exchanges)).toContain("lost");
  });

  test("is found half done where no exchange stands, or two do, or one whose transfer was undone", () => {
    const inWords = (runs: Record<string, RunStep[]>, calls: readonly SinkCall[]) =>
      judgeAll(new Map(Object.entries(runs)), calls).map(({ text }) => text);
    const stand = (ending: string, count: number) => `run: run.${ending}, and ${count} of its exchanges stand`;
    expect(inWords({ run: whole }, [...before, ...after])).toContain(stand("completed", 0));
    const second = idOf(undefined, 1);
    const twice = [...exchanges, innerCall("post", second, "sell"), innerCall("post", second, "buy")];
    const runs = { run: whole, [well]: exchanged, [second]: exchanged };
    expect(inWords(runs, [...before, ...twice, ...after])).toContain(stand("completed", 2));
    const undoneRun = [started({ ...abroad, ...fails }), ...whole.slice(1, 5), failed("notify"), undoing];
    const all = [undone(deposit, 5), undone(exchange, 4), undone("fee", 3), undone("withdraw", 2), compensated];
    const takenBack = ["once", "undo"].map((op) => outerCall(op as SinkCall["op"], deposit));
    const outside = [...before, ...exchanges, ...takenBack, ...undoCalls.slice(1)];
    expect(inWords({ run: [...undoneRun, ...all], [well]: exchanged }, outside)).toContain(stand("compensated", 1));
  });

  test("is found where its exchange is half done outside, or money is not", () => {
    const runs = { run: whole, [well]: exchanged };
    expect(outcome(runs, [...before, ...exchanges.slice(0, 1), ...after])).toEqual(["half"]);
    const texts = judgeAll(new Map(Object.entries(runs)), [...before, ...exchanges.slice(1), ...after]);
    expect(texts.map(({ text }) => text)).toContain("all accounts together come to -99");
    expect(
      outcome({ ...runs, [badly]: failedInner }, [...before, ...failedCalls.slice(0, 2), ...exchanges, ...after]),
    ).toEqual(["half"]);
  });

  test("is found where its exchange ends otherwise than what it met leads to", () => {
    const calls = [...before, innerCall("post", badly, "sell"), innerCall("post", badly, "buy"), ...after];
    expect(outcome({ run: whole, [badly]: exchanged }, calls)).toEqual(["ending"]);
    const refused = inner(failed("sell"), event("run.failed"));
    const wrongly = { run: whole, [well]: exchanged, [idOf(undefined, 1)]: refused };
    expect(outcome(wrongly, [...before, ...exchanges, ...after])).toEqual(["ending"]);
  });

  test("is found where it goes on before its exchange has its outcome", () => {
    expect(outcome({ run: swapped(whole, 3), [well]: exchanged }, [...before, ...exchanges, ...after])).toEqual([
      "order",
    ]);
  });
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
