// That a history is read again as it was written: those that are recorded in `test/histories`, and those of runs that fail, are undone, crash and
// change hands, agree with the code they were written by, up to whichever event. And that whatever a change of that code makes of them is told
// exactly, at its place.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Runtime } from "@viable/kernel";
import { rootContext, sleep } from "@viable/kernel";
import type { StoredEvent } from "@viable/log";
import type { RunEvent } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "../definition.ts";
import { toJson } from "../definition-json.ts";
import { reactor } from "../reactor.ts";
import type { Ref } from "../ref.ts";
import { isRunStream } from "../run-journal.ts";
import type { Steps } from "../steps.ts";
import type { HistoryEvent, Replayed } from "./index.ts";
import { replayHistory, testReactor } from "./index.ts";
import type { SeenCall } from "./simulate-processes.ts";
import { simulateProcesses } from "./simulate-processes.ts";

const anything = z.looseObject({});
const fails: () => never = () => {
  throw new Error("no");
};

// As `test/histories/walks.ts` has them.

const errand = reactor("errand", { input: anything, reversible: true }, (steps) =>
  steps
    .step("never", { where: () => false, run: () => 1 })
    .step("go", { retry: { maxAttempts: 2 }, run: () => "gone", undo: () => undefined })
    .step("put-right", { after: ["go"], run: fails, compensate: () => ({ result: "whole" }) })
    .step("once", { after: ["put-right"], idempotent: false, run: () => "done" })
    .map("each", { over: () => ["one", "two"], after: ["once"] }, (each) =>
      each.task("nap", { capability: "nap", args: ({ element }) => ({ label: element }) }).returns(() => null),
    )
    .switch("way", {
      after: ["each"],
      args: () => ({}),
      branches: {
        short: {
          when: () => true,
          steps: (short) => short.sleep("doze", { args: () => ({ forMs: 10 }) }).returns(() => null),
        },
      },
    })
    .repeat(
      "again",
      { after: ["way"], maxTurns: 2 },
      (turn) =>
        turn
          .step("look", { args: ({ index }) => ({ index }), run: (_ctx, { index }) => index })
          .returns(({ results }) => results.look),
      (last) => last === 1,
    )
    .returns(() => null),
);
const asking = reactor("asking", { input: anything }, (steps) =>
  steps
    .waitFor("word", { event: "word", args: () => ({ key: "k" }) })
    .approval("leave", { title: "May I?", after: ["word"], args: ({ input }) => ({ details: input }) })
    .returns(({ results }) => ({ word: results.word, leave: results.leave })),
);
const around = reactor("around", { input: anything }, (steps) =>
  steps.compose("inner", asking, { args: () => ({}) }).returns(({ results }) => results.inner),
);
const broken = reactor("broken", { input: anything }, (steps) =>
  steps.step("break", { run: fails, compensate: () => undefined }).returns(() => null),
);
const unsure = reactor("unsure", { input: anything }, (steps) =>
  steps.step("wire", { idempotent: false, timeoutMs: 100, run: () => new Promise(() => {}) }).returns(() => null),
);
const late = reactor("late", { input: anything, timeoutMs: 500 }, (steps) =>
  steps.sleep("doze", { args: () => ({ forMs: 60_000 }) }).returns(() => null),
);
const slow = reactor("slow", { input: anything }, (steps) =>
  steps.sleep("doze", { args: () => ({ forMs: 90_000 }) }).returns(() => null),
);
const definitions: readonly ReactorDefinition[] = [errand, asking, around, broken, unsure, late, slow].map(
  (each) => each as ReactorDefinition,
);

/**
 * The runs of a recorded history, each with its events as they were stored; but for the hash they began with, which was taken of more before
 * the first release.
 */
function recordedRuns(name: string): { reactor: string; events: readonly StoredEvent[] }[] {
  const file = join(import.meta.dirname, "../../../../test/histories/fixtures", `${name}.jsonl`);
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  const withHash = (event: StoredEvent) =>
    event.type === "run.started"
      ? { ...event, data: { ...event.data, hash: definitionOf(String(event.data.reactor)).hash } }
      : event;
  const events = lines
    .map((line) => withHash(JSON.parse(line) as StoredEvent))
    .filter(({ stream }) => isRunStream(stream));
  return [...Map.groupBy(events, ({ stream }) => stream).values()].map((run) => ({
    reactor: String(run[0]?.data.reactor),
    events: run,
  }));
}

/** It agrees with all of a history, and with each part of it from its first event on. */
function expectAgreement<Input, Output>(
  definition: ReactorDefinition<Input, Output>,
  events: readonly HistoryEvent[],
): void {
  for (let length = 1; length <= events.length; length++)
    expect(replayHistory(definition, events.slice(0, length))).toMatchObject({ ok: true });
}

const startOf = ({ name, version, hash }: ReactorDefinition): RunEvent => ({
  type: "run.started",
  data: { reactor: name, version, hash, input: {} },
});

function definitionOf(name: string): ReactorDefinition {
  const found = definitions.find((each) => each.name === name);
  if (found === undefined) throw new Error(`There is no definition of ${name}.`);
  return found;
}
const recorded = ["runs", "planned-runs"].flatMap(recordedRuns);
const recordedOf = (name: string) => recorded.find(({ reactor }) => reactor === name)?.events ?? [];
const nextOf = (replayed: Replayed) =>
  replayed.ok ? replayed.next : replayed.disagreements.map(({ message }) => message);

const toLine = ({ role, step, attempt }: SeenCall) => `${role} ${step}${attempt === 1 ? "" : `, attempt ${attempt}`}`;

describe("histories that were recorded", () => {
  test("agree with the definitions they were recorded of, and tell what is left to do", () => {
    const told = recorded.map(({ reactor: name, events }) => [name, nextOf(replayHistory(definitionOf(name), events))]);
    expect(told).toEqual([
      ["errand", []],
      ["broken", []],
      ["late", []],
      ["unsure", []],
      ["around", []],
      ["asking", []],
      ["late", []],
      ["asking", ["wait leave for approval"]],
      ["late", ["wait doze for time"]],
      ["late", []],
      ["slow", []],
      ["late", []],
      ["late", []],
      ["slow", ["wait doze for time"]],
      ["late", []],
    ]);
  });

  test("agree up to whichever event, and what is left to do there is what was done", () => {
    const lines = recordedOf("errand").map((_, index, events) =>
      nextOf(replayHistory(errand, events.slice(0, index + 1))).join(" | "),
    );
    expect(lines).toEqual([
      "run never | run go",
      "run go",
      "run go, attempt 2",
      "run put-right",
      "compensate put-right",
      "run once",
      "ask a person about once",
      "run each[0]/nap | run each[1]/nap",
      "run each[0]/nap",
      "choose way",
      "wait way:short/doze for time",
      "wait way:short/doze for time",
      "run again[0]/look",
      "turn again",
      "run again[1]/look",
      "turn again",
      "complete",
      "",
      "undo go",
      "undo go",
      "undo go, attempt 2",
      "end",
      "",
    ]);
    for (const { reactor: name, events } of recorded) expectAgreement(definitionOf(name), events);
  });

  test("are refused, and nothing else, by every definition they are not of", () => {
    for (const { events } of recorded)
      for (const definition of definitions) {
        const [started, ...others] = events as readonly [StoredEvent, ...StoredEvent[]];
        const data = { ...started.data, reactor: definition.name };
        const replayed = replayHistory(definition, [{ ...started, data }, ...others]);
        expect(replayed.ok).toBe(started.data.hash === definition.hash);
      }
  });
});

test("the history of a run agrees up to whichever event, wherever its process died or stopped", async () => {
  let failures = 0;
  let taken = 0;
  const child = reactor("child", { input: anything, reversible: true }, (steps) =>
    steps.step("inside", { run: () => (failures++ % 2 === 0 ? fails() : 1), undo: () => {} }).returns(() => 1),
  );
  const all = reactor("all", { input: z.strictObject({ list: z.array(z.number()) }) }, (steps) =>
    steps
      .map("each", { over: ({ input }) => input.list, maxConcurrency: 2 }, (each) =>
        each
          .step("one", {
            args: ({ element }) => ({ n: element }),
            where: ({ n }) => n !== 2,
            guard: ({ n }) => (n === 3 ? { result: 30 } : undefined),
            run: (_ctx, { n }) => n * 10,
            undo: () => {},
          })
          .returns(({ results }) => results.one),
      )
      .step("once", { idempotent: false, findOutcome: () => undefined, run: () => 1, undo: () => {} })
      .compose("kid", child, { args: () => ({}), onFailure: () => "restart" })
      .switch("way", {
        args: ({ results }) => ({ list: results.each }),
        branches: { long: { when: ({ list }) => list.length > 1, steps: (long) => long.returns(() => "long") } },
      })
      .step("mend", { after: ["way"], run: fails, compensate: () => ({ result: 2 }) })
      .step("bad", { after: ["kid", "mend", "once"], run: fails, compensate: () => {} })
      .returns(() => 1),
  );
  const play = async (at: number, fate: "kill" | "pause") => {
    failures = 0;
    const world = await simulateProcesses({
      seed: 1,
      definitions: [all],
      fate: ({ index }) => (index === at ? fate : "go"),
    });
    await world.finish(await world.begin("all", { list: [1, 2, 3] }, "k"));
    for (const runId of world.runIds) {
      const events = world.history(runId).map(({ event }) => event);
      const [started] = events;
      const isParent = started?.type === "run.started" && started.data.reactor === "all";
      const definition = (isParent ? all : child) as ReactorDefinition;
      expectAgreement(definition, events);
      for (const [before, { type }] of events.entries()) {
        if (type !== "run.claimed") continue;
        // Whoever took it there called these before anything more was recorded.
        const first = world.calls.filter(
          (call) => call.runId === runId && call.durable === before + 1 && call.role !== "guard" && !call.wasStopped,
        );
        taken += first.length;
        const next = nextOf(replayHistory(definition, events.slice(0, before)));
        expect(next).toEqual(expect.arrayContaining(first.map(toLine)));
      }
    }
    return world.points.length;
  };
  const count = await play(-1, "kill");
  expect(count).toBeGreaterThan(40);
  for (let at = 0; at < count; at++) for (const fate of ["kill", "pause"] as const) await play(at, fate);
  expect(taken).toBeGreaterThan(40);
});

describe("what is done next, where a run that goes no further was left, is what the engine does", () => {
  const undo = () => {};
  const slow = async (ctx: { readonly runtime: Runtime }) => {
    await sleep(rootContext(ctx.runtime), 5_000);
    return 1;
  };
  const unanswered = () => new Promise<never>(() => {});
  const bad = { after: ["first"], retry: { maxAttempts: 1 }, run: fails } as const;
  const input = anything;

  /** A run whose process dies once `dies` has become durable; `next` there, and what the one that takes it calls first. */
  async function takenAfter(definition: ReactorDefinition, dies: string) {
    let died = false;
    const world = await simulateProcesses({
      seed: 1,
      processes: 1,
      definitions: [definition],
      fate: ({ kind, when, what }) => {
        if (died || kind !== "append" || when !== "after" || !what.split(", ").includes(dies)) return "go";
        died = true;
        return "kill";
      },
    });
    const runId = await world.begin(definition.name, {}, "k");
    const isTaken = () => world.history(runId).some(({ event }) => event.type === "run.claimed");
    await world.playUntil(() => died);
    const events = world.history(runId).map(({ event }) => event);
    await world.playUntil(isTaken);
    await world.time.advance(1_000);
    const calls = world.calls.filter((call) => call.process === "process 2");
    return { next: nextOf(replayHistory(definition, events)), lines: calls.map(toLine) };
  }

  test("what may have been done and could be undone is done again before anything is undone", async () => {
    const left = reactor("left", { input }, (steps) =>
      steps
        .step("first", { run: () => 0, undo })
        .step("a", bad)
        .step("b", { after: ["first"], run: slow, undo })
        .step("kept", { after: ["first"], run: slow })
        .returns(() => 1),
    );
    const { next, lines } = await takenAfter(left as ReactorDefinition, "step.failed");
    expect(lines).toEqual(["run b"]);
    expect(next).toEqual(lines);
  });

  test("and beside it what has begun is found out: of several, all are told that are done at once", async () => {
    const left = reactor("left", { input }, (steps) =>
      steps
        .step("first", { run: () => 0, undo })
        .step("once", { after: ["first"], idempotent: false, findOutcome: unanswered, run: unanswered })
        .step("b", { after: ["first"], run: slow, undo })
        .step("a", { ...bad, run: (ctx) => slow(ctx).then(fails) })
        .returns(() => 1),
    );
    const { next, lines } = await takenAfter(left as ReactorDefinition, "step.failed");
    expect(lines).toEqual(["findOutcome once", "run b"]);
    expect(next).toEqual(lines);
  });

  test("what was to be tried again has failed for good, and is compensated", async () => {
    const retried = reactor("retried", { input }, (steps) =>
      steps
        .step("first", { run: () => 0, undo })
        .step("b", {
          after: ["first"],
          retry: { maxAttempts: 5, baseMs: 3_600_000, maxMs: 3_600_000 },
          run: fails,
          compensate: () => undefined,
        })
        .step("a", { ...bad, run: (ctx) => slow(ctx).then(fails) })
        .returns(() => 1),
    );
    const { events, callLines } = await testReactor(retried, { input: {} });
    const at = events.findIndex((event) => event.type === "step.failed" && event.data.step === "a");
    expect(callLines.slice(-2)).toEqual(["compensate b", "undo first"]);
    expect(nextOf(replayHistory(retried, events.slice(0, at + 1)))).toEqual(["compensate b"]);
    expect(nextOf(replayHistory(retried, events.slice(0, at + 2)))).toEqual(["compensate b"]);
  });

  test("what a person wants done again is done, and what composed runs have under way is ended after it", async () => {
    const kid = reactor("kid", { input }, (steps) =>
      steps.sleep("doze", { args: () => ({ forMs: 3_600_000 }) }).returns(() => 1),
    );
    const wanted = reactor("wanted", { input }, (steps) =>
      steps
        .step("first", { run: () => 0, undo })
        .compose("kid", kid, { after: ["first"], args: () => ({}) })
        .step("once", { after: ["first"], idempotent: false, timeoutMs: 1_000, run: unanswered })
        .returns(() => 1),
    );
    const run = await testReactor(wanted, { input: {} });
    expect(run.status).toBe("needs_review");
    await run.cancel();
    await run.review("retry");
    const at = run.events.findIndex(({ type }) => type === "run.reviewed");
    expect(run.callLines.slice(0, 3)).toEqual(["run first", "run once", "run once"]);
    expect(nextOf(replayHistory(wanted, run.events.slice(0, at + 1)))).toEqual(["run once"]);
    await run.review("failed");
    const over = run.events.findLastIndex(({ type }) => type === "run.reviewed");
    expect(nextOf(replayHistory(wanted, run.events.slice(0, over + 1)))).toEqual(["end kid"]);
  });

  /** `next` where an event of that type about the undo of a step stands last; and how the run went on. */
  async function undoing(idempotent: boolean, type: RunEvent["type"]) {
    const undone = reactor("undone", { input }, (steps) =>
      steps
        .step("first", { idempotent, run: () => 0, undo: fails })
        .step("a", bad)
        .returns(() => 1),
    );
    const run = await testReactor(undone, { input: {} });
    const from = run.events.findIndex((event) => event.type === "run.undoing");
    const at = run.events.findIndex((event, index) => index > from && event.type === type);
    return { next: nextOf(replayHistory(undone, run.events.slice(0, at + 1))), run };
  }

  test("an undo that has failed is tried again", async () => {
    const { next, run } = await undoing(true, "step.undo_failed");
    expect(next).toEqual(["undo first, attempt 2"]);
    expect(run.callLines).toContain("undo first, attempt 2");
  });

  test("an undo that has begun and must not be done twice is a person's to answer for", async () => {
    expect((await undoing(false, "step.started")).next).toEqual(["ask a person about first"]);
  });
});

const orderInput = z.strictObject({ amount: z.number() });
const orderSteps = (steps: Steps<{ readonly input: Ref<{ amount: number }> }, unknown>) =>
  steps
    .step("pay", { args: ({ input }) => ({ amount: input.amount }), run: () => "paid", undo: () => {} })
    .step("wrap", { after: ["pay"], run: () => "wrapped" })
    .step("send", { after: ["wrap"], run: () => "sent" })
    .returns(({ results }) => ({ sent: results.send }));
const order = reactor("order", { input: orderInput }, orderSteps);

describe("a changed definition", () => {
  const changed = reactor("order", { input: orderInput, version: 2 }, (steps) =>
    steps
      .step("pay", { args: () => ({ amount: 1 }), run: () => "paid", undo: () => {} })
      .step("send", { after: ["pay"], run: () => "sent" })
      .step("thank", { after: ["send"], run: () => "thanked" })
      .returns(({ results }) => ({ sent: results.send, thanked: results.thank })),
  );

  test.for([
    ["its definition", order],
    ["its JSON", toJson(order)],
  ] as const)(
    "is told step by step beside %s of before, and then the first event that is not as it was",
    async ([, before]) => {
      const { events } = await testReactor(order, { input: { amount: 7 } });
      expect(replayHistory(changed, events, { before })).toEqual({
        ok: false,
        disagreements: [
          {
            kind: "changed_definition",
            version: 1,
            message: `The run began with version 1 of "order" (${order.hash}), and today there is version 2 (${changed.hash}): added thank; removed wrap; changed pay, send, graph.returns.`,
            recorded: order.hash,
            today: changed.hash,
            change: { added: ["thank"], removed: ["wrap"], changed: ["pay", "send", "graph.returns"] },
          },
          {
            kind: "changed_value",
            version: 2,
            step: "pay",
            message: 'pay is called with {"amount":1} today, and {"amount":7} was recorded.',
            recorded: { amount: 7 },
            today: { amount: 1 },
          },
        ],
        unjudged: [],
      });
    },
  );

  test("names, without that, the steps that the history has and it has not", async () => {
    const { events } = await testReactor(order, { input: { amount: 1 } });
    expect(replayHistory(changed, events)).toMatchObject({
      disagreements: [
        { kind: "changed_definition", change: { added: [], removed: ["wrap"], changed: [] } },
        {
          kind: "unexpected_event",
          version: 3,
          step: "wrap",
          message: "There is no step wrap any more, and it succeeded.",
        },
      ],
    });
  });

  test("is one, though its history fits it and no step of it differs", async () => {
    const { events } = await testReactor(order, { input: { amount: 1 } });
    const raised = reactor("order", { input: orderInput, version: 2 }, orderSteps);
    expect(replayHistory(raised, events)).toMatchObject({
      disagreements: [{ message: expect.stringMatching(/: hand in `before`, and the steps that differ are named\.$/) }],
    });
    expect(replayHistory(raised, events, { before: order })).toMatchObject({
      disagreements: [
        {
          kind: "changed_definition",
          change: { added: [], removed: [], changed: [] },
          message: expect.stringMatching(
            /: no step differs, but its version, whether it is reversible, or what it composes\.$/,
          ),
        },
      ],
    });
    const described = reactor("order", { input: orderInput, description: "Sends what is paid." }, orderSteps);
    expect(replayHistory(described, events)).toMatchObject({ ok: true });
  });

  test.for([
    ["its definition", (definition: ReactorDefinition) => definition],
    ["its JSON", toJson],
  ] as const)("is not told beside what the run did not begin with, by the hash of %s", async ([, toBefore]) => {
    const { events } = await testReactor(order, { input: { amount: 1 } });
    expect(replayHistory(changed, events, { before: toBefore(changed as ReactorDefinition) })).toMatchObject({
      disagreements: [
        {
          kind: "changed_definition",
          change: { added: [], removed: ["wrap"], changed: [] },
          message: expect.stringContaining(
            `: removed wrap; \`before\` (${changed.hash}) is not what the run began with.`,
          ),
        },
        { kind: "unexpected_event" },
      ],
    });
  });

  test("inside of scopes is told by path", () => {
    const nested = (inner: string, answer: number) =>
      reactor("nested", { input: anything }, (steps) =>
        steps
          .group("outer", {}, (group) =>
            group
              .switch("by", {
                args: () => ({}),
                branches: {
                  one: {
                    when: () => true,
                    steps: (one) => one.step(inner, { run: () => 1 }).returns(() => answer),
                  },
                },
              })
              .returns(() => 1),
          )
          .returns(() => 1),
      );
    const replayed = replayHistory(nested("b", 2), [startOf(nested("a", 1))], { before: nested("a", 1) });
    expect(replayed).toMatchObject({
      disagreements: [
        {
          change: { added: ["outer/by:one/b"], removed: ["outer/by:one/a"], changed: ["outer/by:one.returns"] },
        },
      ],
    });
  });
});

/** What the history of a run by `was` comes to with `is`, without what is said of the changed definition. */
async function firstFinding<Input>(
  was: ReactorDefinition<Input, unknown>,
  is: ReactorDefinition<Input, unknown>,
  input: Input,
) {
  const { events } = await testReactor(was, { input });
  expectAgreement(was, events);
  const replayed = replayHistory(is, events);
  return replayed.ok ? undefined : replayed.disagreements.find(({ kind }) => kind !== "changed_definition");
}

describe("functions that decide otherwise", () => {
  const input = z.number();

  test.for<[() => boolean, () => boolean, string]>([
    [() => true, () => false, "The `where` of maybe answers false today, and was recorded as true: it succeeded."],
    [() => false, () => true, "The `where` of maybe answers true today, and was recorded as false: it was skipped."],
    [() => true, fails, "The `where` of maybe throws (no) today, and was recorded as true: it succeeded."],
  ])("where, %#", async ([was, is, message]) => {
    const by = (where: () => boolean) =>
      reactor("asks", { input }, (steps) => steps.step("maybe", { where, run: () => 1 }).returns(() => 1));
    expect(await firstFinding(by(was), by(is), 1)).toMatchObject({
      kind: "changed_decision",
      version: 2,
      step: "maybe",
      message,
    });
  });

  type Guard = (
    args: { n: number },
    ctx: { readonly attempt: number; readonly tenant: string },
  ) => { result: number } | undefined | Promise<undefined>;
  const guarded = (guard: Guard) =>
    reactor("guarded", { input }, (steps) =>
      steps.step("maybe", { args: ({ input: n }) => ({ n }), guard, run: () => 1 }).returns(() => 1),
    );

  test.for([
    [
      () => undefined,
      () => ({ result: 2 }),
      'The guard of maybe answers {"result":2} today, and was recorded as null: it succeeded.',
    ],
    [
      () => ({ result: 2 }),
      () => undefined,
      'The guard of maybe answers null today, and was recorded as {"result":2}: it succeeded by guard.',
    ],
    [
      () => ({ result: 2 }),
      ({ n }) => ({ result: n }),
      'The guard of maybe answers {"result":1} today, and was recorded as {"result":2}: it succeeded by guard.',
    ],
    [
      () => undefined,
      (_args, { attempt }) => ({ result: attempt }),
      'The guard of maybe answers {"result":1} today, and was recorded as null: it succeeded.',
    ],
  ] as readonly (readonly [Guard, Guard, string])[])("guard, %#", async ([was, is, message]) => {
    expect(await firstFinding(guarded(was), guarded(is), 1)).toMatchObject({
      kind: "changed_decision",
      step: "maybe",
      message,
    });
  });

  test.for([
    ["answers a promise", async () => undefined],
    ["answers a promise that is broken", () => Promise.reject(new Error("no"))],
    ["looks at what is outside", (_args, { tenant }) => ({ result: tenant.length })],
  ] as readonly (readonly [string, Guard])[])("a guard that %s is not compared, and is named", async ([, guard]) => {
    const { events } = await testReactor(
      guarded(() => undefined),
      { input: 1 },
    );
    expect(replayHistory(guarded(guard), events)).toEqual({ ok: true, next: [], unjudged: ["maybe"] });
  });

  test("when", async () => {
    const by = (limit: number) =>
      reactor("sorts", { input }, (steps) =>
        steps
          .switch("size", {
            args: ({ input: n }) => ({ n }),
            branches: { small: { when: ({ n }) => n < limit, steps: (small) => small.returns(() => "small") } },
            otherwise: (large) => large.returns(() => "large"),
          })
          .returns(({ results }) => results.size),
      );
    expect(await firstFinding(by(10), by(5), 7)).toEqual({
      kind: "changed_decision",
      version: 2,
      step: "size",
      message:
        'The choice of a branch of size answers "otherwise" today, and was recorded as "small": it took the branch small.',
      recorded: "small",
      today: "otherwise",
    });
  });

  test.for([
    [1, 5, "The `until` of count answers true today, and was recorded as false: its turn 1 began."],
    [5, 1, "The `until` of count answers false today, and was recorded as true: it succeeded."],
  ] as const)("until, %#", async ([is, was, message]) => {
    const by = (enough: number) =>
      reactor("counts", { input }, (steps) =>
        steps
          .repeat(
            "count",
            { maxTurns: 10 },
            (turn) =>
              turn
                .step("one", { args: ({ index }) => ({ index }), run: (_ctx, { index }) => index + 1 })
                .returns(({ results }) => results.one),
            (last) => last >= enough,
          )
          .returns(({ results }) => results.count),
      );
    expect(await firstFinding(by(was), by(is), 1)).toMatchObject({ kind: "changed_decision", step: "count", message });
  });

  test.for([
    [
      "restart",
      "fail",
      'The `onFailure` of kid answers "fail" today, and was recorded as "restart": it failed, to be tried again.',
    ],
    ["fail", "restart", 'The `onFailure` of kid answers "restart" today, and was recorded as "fail": it failed.'],
    [
      "review",
      "fail",
      'The `onFailure` of kid answers "fail" today, and was recorded as "review": a person was asked about it.',
    ],
  ] as const)("onFailure, from %s to %s", async ([was, is, message]) => {
    const kid = reactor("kid", { input }, (steps) => steps.step("bad", { run: fails }).returns(() => 1));
    const by = (answer: "restart" | "fail" | "review") =>
      reactor("parent", { input }, (steps) =>
        steps.compose("kid", kid, { args: () => 1, maxRestarts: 1, onFailure: () => answer }).returns(() => 1),
      );
    expect(await firstFinding(by(was), by(is), 1)).toMatchObject({ kind: "changed_decision", step: "kid", message });
  });
});

describe("a graph that would not have come to an event says why", () => {
  const input = z.number();
  type Scoped = Parameters<typeof reactor<typeof input, unknown>>[2];
  const by = (steps: Scoped) => reactor("changes", { input }, steps);
  const bad = { run: fails };

  test.for<[string, Scoped, Scoped, string, string | undefined]>([
    [
      "a step that now comes after another",
      (steps) =>
        steps
          .step("a", { run: () => 1 })
          .sleep("b", { args: () => ({ forMs: 5 }) })
          .returns(() => 1),
      (steps) =>
        steps
          .sleep("b", { args: () => ({ forMs: 5 }) })
          .step("a", { after: ["b"], run: () => 1 })
          .returns(() => 1),
      "Today a is not at work there: it comes after b; and it succeeded.",
      "a",
    ],
    [
      "a step that is another kind of step now",
      (steps) => steps.step("a", { run: () => 1 }).returns(() => 1),
      (steps) => steps.sleep("a", { args: () => ({ forMs: 5 }) }).returns(() => 1),
      "Today a is a sleep that does not come to this: it succeeded.",
      "a",
    ],
    [
      "a step that was added",
      (steps) => steps.step("a", { run: () => 1 }).returns(() => 1),
      (steps) =>
        steps
          .step("a", { run: () => 1 })
          .step("b", { after: ["a"], run: () => 1 })
          .returns(() => 1),
      "The run completes there, and today it is not at its end: b have no outcome.",
      undefined,
    ],
    [
      "what it comes to",
      (steps) => steps.step("a", { run: () => 1 }).returns(() => 1),
      (steps) => steps.step("a", { run: () => 1 }).returns(({ results }) => ({ a: results.a })),
      'The run comes to {"a":1} today, and came to 1.',
      undefined,
    ],
    [
      "a key that is waited for",
      (steps) => steps.waitFor("w", { event: "e", args: () => ({ key: "k", timeoutMs: 5 }) }).returns(() => 1),
      (steps) => steps.waitFor("w", { event: "e", args: () => ({ key: "l", timeoutMs: 5 }) }).returns(() => 1),
      'w waits for {"event":"e","key":"l"} today, and {"event":"e","key":"k"} was recorded.',
      "w",
    ],
    [
      "what a person is asked",
      (steps) => steps.approval("w", { title: "May I?", args: () => ({ details: 5, timeoutMs: 5 }) }).returns(() => 1),
      (steps) => steps.approval("w", { title: "May I?", args: () => ({ details: 6, timeoutMs: 5 }) }).returns(() => 1),
      "w waits for 6 today, and 5 was recorded.",
      "w",
    ],
    [
      "until when it sleeps",
      (steps) => steps.sleep("w", { args: () => ({ until: 5 }) }).returns(() => 1),
      (steps) => steps.sleep("w", { args: () => ({ until: 6 }) }).returns(() => 1),
      "w waits for 6 today, and 5 was recorded.",
      "w",
    ],
    [
      "an undo that was added",
      (steps) =>
        steps
          .step("a", { run: () => 1 })
          .step("bad", { after: ["a"], ...bad })
          .returns(() => 1),
      (steps) =>
        steps
          .step("a", { run: () => 1, undo: () => {} })
          .step("bad", { after: ["a"], ...bad })
          .returns(() => 1),
      "a is called with {} today, and nothing was recorded.",
      "a",
    ],
    [
      "an undo that was taken away",
      (steps) =>
        steps
          .step("a", { run: () => 1, undo: () => {} })
          .step("bad", { after: ["a"], ...bad })
          .returns(() => 1),
      (steps) =>
        steps
          .step("a", { run: () => 1 })
          .step("bad", { after: ["a"], ...bad })
          .returns(() => 1),
      "The run is undone there, and today nothing of it can be.",
      undefined,
    ],
    [
      "a compensation that was added",
      (steps) => steps.step("bad", bad).returns(() => 1),
      (steps) => steps.step("bad", { ...bad, compensate: () => {} }).returns(() => 1),
      "The run does not go on there (run.failed), and today nothing keeps it from going on.",
      undefined,
    ],
    [
      "a compensation that was added beside what failed",
      (steps) =>
        steps
          .step("b", bad)
          .step("bad", bad)
          .returns(() => 1),
      (steps) =>
        steps
          .step("b", { ...bad, compensate: () => {} })
          .step("bad", bad)
          .returns(() => 1),
      "The run does not go on there (run.failed), and today b is compensated first.",
      "b",
    ],
    [
      "a compensation that was taken away",
      (steps) => steps.step("bad", { ...bad, compensate: () => {} }).returns(() => 1),
      (steps) => steps.step("bad", bad).returns(() => 1),
      "Today bad is not at work there: it has its outcome by then; and it was compensated.",
      "bad",
    ],
  ])("%s", async ([, was, is, message, step]) => {
    const finding = await firstFinding(by(was), by(is), 1);
    expect([finding?.message, finding?.step]).toEqual([message, step]);
  });

  test("in other words a person is asked the same", async () => {
    const asking = (title: string) =>
      reactor("asking", { input: anything }, (steps) =>
        steps.approval("w", { title, args: () => ({ timeoutMs: 5 }) }).returns(() => 1),
      );
    const { events } = await testReactor(asking("May I?"), { input: {} });
    expectAgreement(asking("May I, please?"), events);
  });

  test("of what was undone, in which order", async () => {
    const undo = () => {};
    const was = by((steps) =>
      steps
        .step("a", { run: () => 1, undo })
        .step("b", { after: ["a"], run: () => 1, undo })
        .step("bad", { after: ["b"], ...bad })
        .returns(() => 1),
    );
    const { events } = await testReactor(was, { input: 1 });
    const at = events.findIndex(({ type }) => type === "step.undone");
    const swapped = events.toSpliced(at, 2, events[at + 1] as RunEvent, events[at] as RunEvent);
    expect(replayHistory(was, swapped)).toMatchObject({
      disagreements: [
        { kind: "unexpected_event", version: at + 1, step: "a", message: "a is undone there, and today b is next." },
      ],
    });
    const cut = events.toSpliced(at + 1, 1);
    expect(replayHistory(was, cut)).toMatchObject({
      disagreements: [{ step: "a", message: "The run ends there (run.compensated), and today a is undone first." }],
    });
  });
});

describe("what is no history of a run of that reactor", () => {
  const read = async (): Promise<HistoryEvent[]> => [...(await testReactor(order, { input: { amount: 1 } })).events];
  const refused: [string, (events: HistoryEvent[]) => HistoryEvent[], object][] = [
    ["empty", () => [], { kind: "broken_history", version: 1, message: "It is empty." }],
    [
      "a page of a run's events, and no list",
      (events: readonly HistoryEvent[]) => ({ events }) as never,
      {
        kind: "broken_history",
        version: 1,
        message: "It is no list of events: of a page of a run's events, hand in `events`, of all pages in order.",
      },
    ],
    [
      "a list of something else",
      () => [null] as never,
      { kind: "broken_history", version: 1, message: "The event 1 is none: it has no type." },
    ],
    [
      "without its first events",
      (events) => events.slice(1),
      { kind: "broken_history", version: 1, message: "It begins with step.succeeded, and not with run.started." },
    ],
    [
      "with a gap",
      (events) => events.map((event, index) => ({ ...event, version: index + 1 })).toSpliced(2, 1),
      {
        kind: "broken_history",
        version: 3,
        message: "The event 3 is missing: there is the event 4 instead. All of a run are needed.",
      },
    ],
    [
      "of two runs",
      (events) => [...events, ...events],
      { kind: "broken_history", message: "A second run begins in it." },
    ],
    [
      "of another reactor",
      ([started, ...others]) => [
        { type: "run.started", data: { ...(started?.data as object), reactor: "other" } },
        ...others,
      ],
      { kind: "broken_history", message: 'It is the history of a run of "other", and not of "order".' },
    ],
    [
      "with an event that no run has",
      (events) => events.toSpliced(2, 1, { type: "execution.accepted", data: {} }),
      {
        kind: "undecodable_event",
        version: 3,
        message: "The event 3, execution.accepted, cannot be read: no run has events of that type.",
      },
    ],
    [
      "with an event of another shape",
      (events) => events.toSpliced(2, 1, { type: "step.succeeded", data: { step: 5 } }),
      {
        kind: "undecodable_event",
        version: 3,
        message: expect.stringMatching(/^The event 3, step\.succeeded, cannot be read: data\.step: .*string/),
      },
    ],
    [
      "with an event that a lenient read could not bring to today's shape",
      (events) => events.toSpliced(2, 1, { ...(events[2] as HistoryEvent), undecodable: "it is of version 9" }),
      { kind: "undecodable_event", message: "The event 3, step.succeeded, cannot be read: it is of version 9." },
    ],
    [
      "with an event of a live feed, which leaves out what is large",
      (events) => events.toSpliced(1, 1, { ...(events[1] as HistoryEvent), omitted: ["result"] }),
      {
        kind: "undecodable_event",
        message: "The event 2, step.succeeded, cannot be read: result were left out by a live feed.",
      },
    ],
  ];
  test.for(refused)("%s", async ([, change, disagreement]) => {
    const replayed = replayHistory(order, change(await read()));
    expect(replayed).toMatchObject({ ok: false, disagreements: [disagreement] });
  });
});

test("what was found out of a step that had begun is not held against its conditions", () => {
  const once = reactor("once", { input: anything }, (steps) =>
    steps
      .step("wire", {
        idempotent: false,
        where: () => true,
        guard: () => undefined,
        findOutcome: () => undefined,
        run: () => 1,
      })
      .step("bad", { run: fails })
      .returns(() => 1),
  );
  const error = { code: "internal", message: "no", retryable: false };
  expectAgreement(once, [
    startOf(once as ReactorDefinition),
    { type: "step.started", data: { step: "wire", attempt: 1 } },
    { type: "step.failed", data: { step: "bad", attempt: 1, error } },
    // It had not happened, and the run fails.
    { type: "step.skipped", data: { step: "wire" } },
    { type: "run.failed", data: { error } },
  ]);
});

test("what was recorded is not changed by functions that change what they are handed", async () => {
  const by = (where: (args: { list: number[] }) => boolean) =>
    reactor("changes", { input: z.strictObject({ list: z.array(z.number()) }) }, (steps) =>
      steps.step("a", { args: ({ input }) => ({ list: input.list }), where, run: () => 1 }).returns(() => 1),
    );
  const { events } = await testReactor(
    by(() => true),
    { input: { list: [1] } },
  );
  const replayed = replayHistory(
    by(({ list }) => list.push(2) > 0),
    events,
  );
  expect(replayed).toMatchObject({
    ok: false,
    disagreements: [{ step: "a", message: expect.stringContaining("throws") }],
  });
  expect(events[0]?.data).toMatchObject({ input: { list: [1] } });
});
