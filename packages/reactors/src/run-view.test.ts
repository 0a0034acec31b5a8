// What a run's events say of it, without its definition: how each step came out and what it waits for, over real runs; what is undone and what
// is left; that the view stays small whatever the run; and that nobody sees another tenant's (W11). Runs are carried on by the engine, in
// simulated time; what it does not do often is told by events alone.

import { joinCluster } from "@viable/cluster";
import type { Context, JsonObject, JsonValue } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime, ViableError, withContext } from "@viable/kernel";
import type { StoredEvent } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import type { RunEventData, RunEventType, RunView } from "@viable/protocol";
import { runPage, runView } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "./definition.ts";
import { reactorEventTypes } from "./event-types.ts";
import type { RunState } from "./fold-run.ts";
import { foldRun } from "./fold-run.ts";
import { listApprovals, listRuns, originOfRun, readRunView } from "./list-runs.ts";
import { reactor } from "./reactor.ts";
import { createReactors } from "./reactors.ts";
import { statusOf, toRunView } from "./run-view.ts";
import { settled as untilSettled } from "./testing/settled.ts";

async function world(...definitions: ReactorDefinition[]) {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime, { principal: "ada" });
  const log = createLog(createMemoryStore(), runtime, { types: reactorEventTypes });
  const membership = joinCluster({ log, runtime, hosts: ["test"] });
  const reactors = createReactors({ log, runtime, membership, definitions });
  const settled = <T>(promise: Promise<T>): Promise<T> => untilSettled(time, promise, 24 * 3_600_000);
  for (const part of [log, membership, reactors]) await settled(part.start(ctx));
  const begin = async (name: string, input: JsonValue = {}, key?: string) => {
    const begun = await settled(reactors.begin(ctx, name, input, key === undefined ? {} : { key }));
    if (!begun.ok) throw new Error(begun.message);
    return begun.runId;
  };
  const view = async (runId: string): Promise<RunView> => {
    const found = await settled(readRunView(ctx, log, runId));
    if (found === undefined) throw new Error(`There is no ${runId}.`);
    return runView.parse(found);
  };
  const ended = (runId: string) => settled(reactors.whenEnded(ctx, runId));
  return { time, ctx, log, reactors, settled, begin, view, ended };
}

const stepsOf = (view: RunView) => Object.fromEntries(view.steps.map(({ step, status }) => [step, status]));
const fails = (message: string, retryable = false): never => {
  throw new ViableError("test.failed", message, { retryable });
};

const anything = z.looseObject({});

describe("of real runs", () => {
  test("a run that completed tells its input, its result, and how long each step took", async () => {
    const sum = reactor("sum", { input: z.strictObject({ numbers: z.array(z.number()) }) }, (steps) =>
      steps
        .map("each", { over: ({ input }) => input.numbers }, (each) =>
          each
            .step("double", { args: ({ element }) => ({ n: element }), run: (_ctx, { n }) => 2 * n })
            .returns(({ results }) => results.double),
        )
        .step("none", { after: ["each"], where: () => false, run: () => 1 })
        .step("known", { after: ["each"], guard: () => ({ result: 7 }), run: () => 1 })
        .step("slow", {
          after: ["known"],
          run: (ctx) => new Promise<string>((done) => ctx.runtime.clock.setTimer(() => done("at last"), 1_500)),
        })
        .returns(({ results }) => ({ doubled: results.each, known: results.known })),
    );
    const { begin, view, ended, time } = await world(sum);
    const startedAt = new Date(time.now()).toISOString();
    const runId = await begin("sum", { numbers: [1, 2] }, "k");
    await ended(runId);
    const shown = await view(runId);
    expect(shown).toMatchObject({
      runId,
      reactor: "sum",
      version: 1,
      hash: sum.hash,
      status: "completed",
      key: "k",
      principal: "ada",
      startedAt,
      input: { numbers: [1, 2] },
      result: { doubled: [2, 4], known: 7 },
      claim: { attempt: 1 },
      counts: { succeeded: 4, skipped: 1 },
      moreSteps: 0,
      waitsFor: [],
    });
    expect(stepsOf(shown)).toEqual({
      "each[0]/double": "succeeded",
      "each[1]/double": "succeeded",
      none: "skipped",
      known: "succeeded",
      slow: "succeeded",
    });
    const by = Object.fromEntries(shown.steps.map((step) => [step.step, step]));
    expect(by.known).toMatchObject({ by: "guard", result: 7, attempts: 0 });
    expect(by.slow).toMatchObject({ ms: 1_500, attempts: 1, result: "at last" });
    expect(Date.parse(by.slow?.endedAt ?? "") - Date.parse(by.slow?.startedAt ?? "")).toBe(1_500);
    expect(shown.endedAt).toBe(by.slow?.endedAt);
  });

  test("what each step waits for shows while it waits, and the run waits only where nothing else is known to go on", async () => {
    const child = reactor("child", { input: anything }, (steps) =>
      steps.waitFor("news", { event: "news", args: () => ({ key: "n", timeoutMs: 60_000 }) }).returns(() => ({})),
    );
    const waits = reactor("waits", { input: anything, timeoutMs: 3_600_000 }, (steps) =>
      steps
        .sleep("pause", { args: () => ({ forMs: 5_000 }) })
        .approval("yes", { title: "May it?", args: () => ({ details: { amount: 3 } }), onRejected: "continue" })
        .compose("inner", child, { args: () => ({}) })
        .returns(({ results }) => results.yes),
    );
    const { begin, view, ended, time, ctx, log, reactors, settled } = await world(waits);
    const now = time.now();
    const at = (ms: number) => new Date(now + ms).toISOString();
    const runId = await begin("waits");
    await time.advance(10);
    const shown = await view(runId);
    expect(shown).toMatchObject({ status: "waiting", deadlineAt: at(3_600_000), counts: { waiting: 3 } });
    const [pause, yes, inner] = shown.steps.map(({ waitsFor }) => waitsFor);
    expect(pause).toEqual({ for: "time", untilAt: at(5_000) });
    expect(yes).toEqual({ for: "approval", approvalId: expect.stringMatching(/^apr_/), title: "May it?" });
    expect(inner).toEqual({ for: "run", runId: expect.stringMatching(/^run_/) });
    expect(shown.waitsFor.map(({ step }) => step)).toEqual(["pause", "yes", "inner"]);

    const childId = (inner as { runId: string }).runId;
    expect(await view(childId)).toMatchObject({
      parent: { runId, step: "inner" },
      status: "waiting",
      waitsFor: [{ step: "news", wait: { for: "event", event: "news", key: "n", untilAt: at(60_000) } }],
    });
    expect(await settled(originOfRun(ctx, log, childId))).toMatchObject({ rootId: runId, principal: "ada" });

    const approvalId = (yes as { approvalId: string }).approvalId;
    const { approvals } = await settled(listApprovals(ctx, log, reactors.approvals(ctx), { limit: 10 }));
    const asked = {
      approvalId,
      runId,
      step: "yes",
      reactor: "waits",
      title: "May it?",
      details: { amount: 3 },
      askedAt: at(0),
    };
    expect(approvals).toEqual([asked]);
    expect(reactors.runAskingFor(ctx, approvalId)).toBe(runId);
    expect(await settled(reactors.decide(ctx, approvalId, { decision: "rejected", reason: "too much" }))).toEqual({
      ok: true,
      runId,
      step: "yes",
    });
    await settled(reactors.send(ctx, "news", "n", { it: "is" }));
    expect(await ended(runId)).toMatchObject({ type: "run.completed" });
    expect(await settled(listApprovals(ctx, log, reactors.approvals(ctx), { limit: 10 }))).toEqual({
      approvals: [],
      more: 0,
    });
    const after = await view(runId);
    expect(stepsOf(after)).toEqual({ pause: "succeeded", yes: "rejected", inner: "succeeded" });
    expect(after.steps[1]).toMatchObject({ result: { decision: "rejected", by: "ada", reason: "too much" } });
    expect(after.steps[2]).toMatchObject({ runId: childId });
  });

  test("tries, compensations, and what was undone and what was kept", async () => {
    let tries = 0;
    const order = reactor("order", { input: anything }, (steps) =>
      steps
        .step("reserve", { run: () => "r1", undo: () => undefined })
        .step("notify", { after: ["reserve"], run: () => "sent" })
        .step("flaky", {
          after: ["notify"],
          run: () => (++tries < 3 ? fails("not now", true) : "now"),
          retry: { baseMs: 100 },
          undo: () => undefined,
        })
        .step("mended", { after: ["flaky"], run: () => fails("broken"), compensate: () => ({ result: "mended" }) })
        .step("pay", { after: ["mended"], run: () => fails("no money"), compensate: () => undefined })
        .returns(() => ({})),
    );
    const { begin, view, ended } = await world(order);
    const runId = await begin("order");
    await ended(runId);
    const shown = await view(runId);
    expect(stepsOf(shown)).toEqual({
      reserve: "undone",
      notify: "succeeded",
      flaky: "undone",
      mended: "succeeded",
      pay: "compensated",
    });
    expect(shown).toMatchObject({
      status: "compensated",
      error: { code: "test.failed", message: "no money" },
      kept: ["notify"],
      counts: { undone: 2, succeeded: 2, compensated: 1 },
    });
    // Its error is the run's own by now.
    expect(shown.cause).toEqual({ kind: "step_failed", step: "pay" });
    expect(shown.steps.find(({ step }) => step === "flaky")).toMatchObject({ attempts: 3, result: "now" });
    expect(shown.steps.find(({ step }) => step === "mended")).toMatchObject({ by: "compensation", result: "mended" });
    expect(shown.steps.find(({ step }) => step === "pay")).toMatchObject({ error: { message: "no money" } });
  });

  test("what an error follows from is shown of the step, and of a run that is undone for it", async () => {
    const causedBy = (message: string, cause?: unknown) => new Error(message, { cause });
    const calls = reactor("calls", { input: anything }, (steps) =>
      steps
        .step("book", { run: () => 1, undo: () => fails("closed") })
        .step("ask", {
          after: ["book"],
          run: () => {
            throw causedBy("fetch failed", causedBy("x".repeat(1_000), causedBy("no route", causedBy("no cable"))));
          },
        })
        .returns(() => ({})),
    );
    const { begin, view, time } = await world(calls);
    const runId = await begin("calls");
    await time.advance(120_000);
    const shown = await view(runId);
    const error = {
      code: "internal",
      message: "fetch failed",
      retryable: false,
      cause: {
        code: "internal",
        message: `${"x".repeat(199)}…`,
        retryable: false,
        cause: { code: "internal", message: "no route", retryable: false },
      },
    };
    expect(shown.steps.find(({ step }) => step === "ask")?.error).toEqual(error);
    expect(shown).toMatchObject({ status: "needs_review", review: { step: "book", error: { message: "closed" } } });
    expect(shown.cause).toEqual({ kind: "step_failed", step: "ask", error });
  });

  test("a run that needs a person says at what and why, and how it went on", async () => {
    let calls = 0;
    const uncertain = reactor("uncertain", { input: anything, reversible: true }, (steps) =>
      steps
        .step("wire", { idempotent: false, timeoutMs: 100, run: () => new Promise<string>(() => {}) })
        .step("book", { after: ["wire"], run: () => 1, undo: () => fails(`closed, call ${++calls}`) })
        .returns(({ results }) => results.wire),
    );
    const { begin, view, ended, time, ctx, reactors, settled } = await world(uncertain);
    const runId = await begin("uncertain");
    await time.advance(50);
    expect(await view(runId)).toMatchObject({ status: "running", counts: { running: 1 } });
    await time.advance(1_000);
    const stuck = await view(runId);
    expect(stuck).toMatchObject({
      status: "needs_review",
      review: { step: "wire", during: "run", error: { code: "reactor.step_timed_out" } },
    });
    expect(stepsOf(stuck)).toEqual({ wire: "needs_review" });
    await settled(reactors.review(ctx, runId, { decision: "done", result: "it arrived" }));
    await ended(runId);
    const done = await view(runId);
    expect(done).toMatchObject({ status: "completed", result: "it arrived", counts: { succeeded: 2 } });
    expect(done.steps[0]).toMatchObject({ status: "succeeded", by: "review", result: "it arrived" });

    await settled(reactors.undo(ctx, runId, "a mistake"));
    await time.advance(120_000);
    const undoing = await view(runId);
    expect(undoing).toMatchObject({
      status: "needs_review",
      review: { step: "book", during: "undo" },
      cause: { kind: "requested", by: "ada", reason: "a mistake" },
    });
    expect(undoing).not.toHaveProperty("result");
    const book = (shown: RunView) => shown.steps.find(({ step }) => step === "book");
    expect(book(undoing)).toMatchObject({
      status: "needs_review",
      undo: { attempts: calls, error: { message: `closed, call ${calls}` } },
    });
    // As often as it was called in all, not since somebody last had it tried again.
    await settled(reactors.review(ctx, runId, { decision: "retry" }));
    await time.advance(120_000);
    expect(calls).toBe(10);
    const again = await view(runId);
    expect(book(again)).toMatchObject({ undo: { attempts: 10, error: { message: "closed, call 10" } } });
    expect(book(again)?.undo).not.toHaveProperty("retryAt");
    await settled(reactors.review(ctx, runId, { decision: "failed" }));
    await ended(runId);
    expect(stepsOf(await view(runId))).toEqual({ wire: "succeeded", book: "kept" });
  });

  test("what was open when a run went no further is abandoned", async () => {
    const race = reactor("race", { input: anything }, (steps) =>
      steps
        .sleep("long", { args: () => ({ forMs: 3_600_000 }) })
        .approval("ask", { title: "Well?" })
        .returns(() => ({})),
    );
    const { begin, view, ended, time, ctx, reactors, settled, log } = await world(race);
    const runId = await begin("race");
    await time.advance(10);
    await settled(reactors.cancel(ctx, runId, "enough"));
    await ended(runId);
    const shown = await view(runId);
    expect(shown).toMatchObject({
      status: "cancelled",
      error: { code: "reactor.run_cancelled" },
      counts: { abandoned: 2 },
      waitsFor: [],
    });
    expect(shown.steps.every(({ waitsFor }) => waitsFor === undefined)).toBe(true);
    expect((await settled(listApprovals(ctx, log, reactors.approvals(ctx), { limit: 10 }))).approvals).toEqual([]);
  });
});

describe("lists and reads", () => {
  const quick = reactor("quick", { input: anything }, (steps) =>
    steps.step("one", { run: () => 1 }).returns(() => ({})),
  );
  const stays = reactor("stays", { input: anything }, (steps) =>
    steps.waitFor("end", { event: "end" }).returns(() => ({})),
  );

  test("runs are listed newest first, page by page, by reactor and by status", async () => {
    const { begin, ctx, log, settled, time } = await world(quick, stays);
    const ids: string[] = [];
    for (let each = 0; each < 8; each++) ids.push(await begin(each % 4 === 3 ? "stays" : "quick"));
    await time.advance(100);
    const list = async (options: Partial<Parameters<typeof listRuns>[2]>) =>
      runPage.parse(await settled(listRuns(ctx, log, { limit: 50, ...options })));
    expect((await list({})).runs.map(({ runId }) => runId)).toEqual(ids.toReversed());
    expect((await list({ reactor: "stays" })).runs.map(({ runId }) => runId)).toEqual([ids[7], ids[3]]);
    expect((await list({ status: "completed" })).runs).toHaveLength(6);
    expect((await list({ status: "waiting", reactor: "quick" })).runs).toEqual([]);
    const seen: string[] = [];
    let before: string | undefined;
    do {
      const page = await list({ limit: 2, status: "completed", ...(before !== undefined && { before }) });
      seen.push(...page.runs.map(({ runId }) => runId));
      before = page.next;
    } while (before !== undefined);
    expect(seen).toEqual([ids[6], ids[5], ids[4], ids[2], ids[1], ids[0]]);
  });

  test("W11: another tenant's run, its approvals and whose it is are not found, and neither is what is no run", async () => {
    const asks = reactor("asks", { input: anything }, (steps) =>
      steps.approval("ask", { title: "?" }).returns(() => ({})),
    );
    const { begin, ctx, log, settled, reactors, time, view } = await world(asks);
    const runId = await begin("asks");
    await time.advance(10);
    const [asked] = (await view(runId)).waitsFor.map(({ wait }) => wait);
    const { approvalId } = asked as { approvalId: string };
    const other: Context = withContext(ctx, { tenant: "other" });
    expect(await settled(readRunView(other, log, runId))).toBeUndefined();
    expect(await settled(originOfRun(other, log, runId))).toBeUndefined();
    expect((await settled(listRuns(other, log, { limit: 10 }))).runs).toEqual([]);
    expect((await settled(listApprovals(other, log, reactors.approvals(other), { limit: 10 }))).approvals).toEqual([]);
    expect(reactors.runAskingFor(other, approvalId)).toBeUndefined();
    for (const id of ["", "run_nothing", `run_${"0".repeat(26)}`, "exe_00000000000000000000000000"])
      expect(await settled(readRunView(ctx, log, id))).toBeUndefined();
  });

  test("a large input and result are read from their events, and a large result of a step is left out and named", async () => {
    const text = "x".repeat(20_000);
    const large = reactor("large", { input: z.strictObject({ text: z.string() }) }, (steps) =>
      steps
        .step("echo", { args: ({ input }) => ({ text: input.text }), run: (_ctx, args) => args })
        .returns(({ results }) => results.echo),
    );
    const { begin, view, ended } = await world(large);
    const runId = await begin("large", { text });
    await ended(runId);
    const shown = await view(runId);
    expect(shown.input).toEqual({ text });
    expect(shown.result).toEqual({ text });
    expect(shown.steps[0]).toMatchObject({ step: "echo", isResultOmitted: true });
    expect(shown.steps[0]).not.toHaveProperty("result");
  });
});

describe("of a run of any length", () => {
  const runId = `run_${"0".repeat(25)}1`;
  let position = 0;
  const event = <T extends RunEventType>(version: number, type: T, data: RunEventData<T>): StoredEvent => ({
    id: `evt_${version}`,
    stream: `run:${runId}`,
    version,
    position: String(++position),
    type,
    data: data as unknown as JsonObject,
    metadata: { tenant: "default", actor: "ada" },
    time: 1_000 * version,
  });
  const started = event(1, "run.started", {
    reactor: "long",
    version: 1,
    hash: "h",
    input: {},
    claim: { processId: "p", epoch: 1, attempt: 1 },
  });
  const fold = (from: RunState | undefined, events: Iterable<StoredEvent>): RunState => {
    let state = from;
    for (const each of events) state = foldRun(state, each);
    return state as RunState;
  };
  const show = (state: RunState) => toRunView(state, { input: {}, result: undefined });

  test("the view of 100,000 steps holds the latest thousand and all that are open, counts all, and says how many more there are", () => {
    const count = 100_000;
    const openEvents = [
      event(2, "step.waiting", { step: "early", wait: { for: "event", event: "e", key: "k" } }),
      event(3, "step.started", { step: "also", attempt: 1 }),
    ];
    function* successes() {
      for (let index = 0; index < count; index++)
        yield event(4 + index, "step.succeeded", { step: `each[${index}]/do`, result: { index } });
    }
    const state = fold(undefined, [started, ...openEvents]);
    const whole = fold(state, successes());
    const shown = show(whole);
    expect(shown.steps).toHaveLength(1_000);
    expect(shown.steps.slice(0, 2).map(({ step }) => step)).toEqual(["early", "also"]);
    expect(shown.steps.at(-1)?.step).toBe(`each[${count - 1}]/do`);
    expect(shown.counts).toEqual({ waiting: 1, running: 1, succeeded: count });
    expect(shown.moreSteps).toBe(count + 2 - 1_000);
    expect(JSON.stringify(whole).length).toBeLessThan(1024 * 1024);
    const undone = event(count + 4, "step.undone", { step: "each[0]/do", of: 4 });
    const resumed = fold(JSON.parse(JSON.stringify(whole)), [undone]);
    expect(show(resumed)).toEqual(show(fold(whole, [undone])));
    // What the view has let go of is counted all the same.
    expect(resumed.counts).toEqual({ waiting: 1, running: 1, succeeded: count - 1, undone: 1 });
    expect(resumed.done.some(({ status }) => status === "undone")).toBe(false);
  });

  test("more than a thousand open steps are counted, and a thousand of them shown", () => {
    const waiting = Array.from({ length: 1_500 }, (_, index) =>
      event(2 + index, "step.waiting", { step: `each[${index}]/nap`, wait: { for: "time", until: 5 } }),
    );
    const shown = show(fold(undefined, [started, ...waiting]));
    expect(shown.steps).toHaveLength(1_000);
    expect(shown).toMatchObject({ counts: { waiting: 1_500 }, moreSteps: 500, status: "waiting" });
    expect(shown.waitsFor).toHaveLength(10);
  });

  test("a step that failed began when its first try did, where that tells how long it took", () => {
    const error = { code: "c", message: "m", retryable: true };
    const tries = [
      event(5, "step.failed", { step: "a", attempt: 1, error, retryAt: 6_000, ms: 3_000 }),
      event(8, "step.failed", { step: "a", attempt: 2, error, ms: 2_000 }),
      event(9, "step.failed", { step: "b", attempt: 1, error }),
    ];
    const [a, b] = show(fold(undefined, [started, ...tries])).steps;
    // All of its tries, and the waits between them.
    expect(a).toEqual(
      expect.objectContaining({ startedAt: "1970-01-01T00:00:02.000Z", endedAt: "1970-01-01T00:00:08.000Z" }),
    );
    expect(a).not.toHaveProperty("ms");
    expect(b).toMatchObject({ startedAt: "1970-01-01T00:00:09.000Z" });
  });

  test("folding changes nothing that was there before", () => {
    const before = fold(undefined, [started, event(2, "step.started", { step: "a", attempt: 1 })]);
    const copy = JSON.stringify(before);
    fold(before, [
      event(3, "step.succeeded", { step: "a", result: 1 }),
      event(4, "run.undoing", { cause: { kind: "cancelled" } }),
      event(5, "step.undone", { step: "a", of: 3 }),
      event(6, "run.cancelled", { by: "ada", reason: "r" }),
    ]);
    expect(JSON.stringify(before)).toBe(copy);
  });

  const standings: [string, string, () => StoredEvent[]][] = [
    ["running", "nothing is known but its beginning", () => []],
    ["parked", "its definition is not here", () => [event(2, "run.parked", { reason: "gone" })]],
    [
      "running",
      "it was parked and taken again",
      () => [
        event(2, "run.parked", { reason: "gone" }),
        event(3, "run.claimed", { processId: "q", epoch: 2, attempt: 2, reason: "here" }),
      ],
    ],
    [
      "running",
      "one step waits and another is at work",
      () => [
        event(2, "step.waiting", { step: "a", wait: { for: "time", until: 9 } }),
        event(3, "step.started", { step: "b", attempt: 1 }),
      ],
    ],
    [
      "waiting",
      "its branch is chosen, and a step of that waits",
      () => [
        event(2, "step.branched", { step: "by", branch: "card" }),
        event(3, "step.waiting", { step: "by:card/a", wait: { for: "time", until: 9 } }),
      ],
    ],
    [
      "waiting",
      "a repeat is between its turns, and a step of it waits",
      () => [
        event(2, "step.repeated", { step: "r", turn: 1 }),
        event(3, "step.waiting", { step: "r[1]/a", wait: { for: "time", until: 9 } }),
      ],
    ],
    [
      "running",
      "a step is to be tried again",
      () => [
        event(2, "step.failed", {
          step: "a",
          attempt: 1,
          error: { code: "c", message: "m", retryable: true },
          retryAt: 9,
        }),
      ],
    ],
    [
      "compensating",
      "it goes no further",
      () => [event(2, "run.gave_up", { error: { code: "c", message: "m", retryable: false } })],
    ],
    ["compensating", "what it did is undone", () => [event(2, "run.undoing", { cause: { kind: "step_failed" } })]],
    [
      "compensating",
      "it had completed, and is to be undone",
      () => [
        event(2, "run.completed", { result: 1 }),
        event(3, "run.undo_requested", { by: "ada", reason: "r", reactor: "long", hash: "h" }),
      ],
    ],
    ["failed", "it failed", () => [event(2, "run.failed", { error: { code: "c", message: "m", retryable: false } })]],
  ];
  test.each(standings)("it is %s where %s", (status, _why, events) => {
    expect(statusOf(fold(undefined, [started, ...events()]))).toBe(status);
  });

  test("nobody has it yet: it is pending", () => {
    const { claim: _, ...unclaimed } = started.data;
    expect(statusOf(fold(undefined, [{ ...started, data: unclaimed }]))).toBe("pending");
  });
});
