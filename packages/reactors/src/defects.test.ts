// Each of these fails by a defect of the engine, and moves into the file it belongs to as soon as it does not.
import type { JsonObject } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, sleep, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { controlStore } from "@viable/log/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactorEventTypes } from "./event-types.ts";
import { createOpenRuns } from "./open-runs.ts";
import { reactor } from "./reactor.ts";
import { describeEvent } from "./testing/describe-event.ts";
import type { Breakpoint, Fate, ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();
const lines = (world: ProcessWorld, runId: string) => world.history(runId).map(({ event }) => describeEvent(event));
const first = (world: ProcessWorld) => world.processes[0] as SimulatedProcess;
const never = () => new Promise<number>(() => {});
const fails = (): number => {
  throw new Error("no");
};

const nested = (calls: string[]) =>
  reactor("nested", { input: z.strictObject({ lists: z.array(z.array(z.number())) }) }, (steps) =>
    steps
      .map("outer", { over: ({ input }) => input.lists }, (each) =>
        each
          .map("inner", { over: ({ element }) => element }, (one) =>
            one
              .step("touch", { args: ({ element }) => ({ n: element }), run: (_ctx, { n }) => n })
              .returns(({ results }) => results.touch),
          )
          .returns(({ results }) => results.inner),
      )
      .step("next", { after: ["outer"], run: () => calls.push("next") })
      .step("last", { after: ["next"], run: () => calls.push("last") })
      .returns(({ results }) => ({ outer: results.outer })),
  );

test("1a. a map over lists that are empty does not end the run before what comes after it", async () => {
  const calls: string[] = [];
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [nested(calls)] });
  const runId = await world.begin("nested", { lists: [[], []] }, "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
  expect(calls).toEqual(["next", "last"]);
});

test("1b. nor does it recurse once for each of them", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [nested([])] });
  const runId = await world.begin("nested", { lists: Array.from({ length: 10_000 }, () => []) }, "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
});

test("2. a run that composes and whose process dies at any moment goes on in another", async () => {
  const child = reactor("child", { input, reversible: true }, (steps) =>
    steps.step("c", { run: () => 1, undo: () => {} }).returns(({ results }) => results.c),
  );
  const parent = reactor("parent", { input }, (steps) =>
    steps
      .compose("kid", child, { args: () => 1 })
      .step("bad", { after: ["kid"], run: fails })
      .returns(() => 1),
  );
  const play = async (fate: (point: Breakpoint) => Fate) => {
    const world = await simulateProcesses({ seed: 1, definitions: [parent], fate });
    const runId = await world.begin("parent", 1, "k");
    const end = await world.finish(runId, { maxMs: 300_000 }).catch(() => undefined);
    return { world, ending: end?.type ?? "never" };
  };
  const { world } = await play(() => "go");
  const stuck: string[] = [];
  for (const fate of ["kill", "pause"] as const)
    for (const { index, when, what } of world.points) {
      const { ending } = await play((point) => (point.index === index ? fate : "go"));
      if (ending !== "run.compensated") stuck.push(`${fate} ${index}, ${when} ${what}: ${ending}`);
    }
  expect(stuck).toEqual([]);
});

test("3a. a process stopped past its lease between recording that a once-only step begins and doing it does not do it", async () => {
  let done = 0;
  const definition = reactor("once", { input }, (steps) =>
    steps
      .step("charge", {
        idempotent: false,
        findOutcome: () => (done > 0 ? { result: done } : undefined),
        run: () => ++done,
      })
      .returns(({ results }) => results.charge),
  );
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    fate: ({ when, what, process }) =>
      when === "after" && what === "step.started" && process.name === "process 1" ? "pause" : "go",
  });
  await world.finish(await world.begin("once", 1, "k"));
  expect(done).toBe(1);
});

test("3b. nor its compensation, of which a person is asked elsewhere", async () => {
  const calls: string[] = [];
  const definition = reactor("once", { input }, (steps) =>
    steps
      .step("charge", { idempotent: false, run: fails, compensate: () => void calls.push("compensated") })
      .returns(() => 1),
  );
  let begun = 0;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    fate: ({ when, what }) => (when === "after" && what === "step.started" && ++begun === 2 ? "pause" : "go"),
  });
  expect(await world.finish(await world.begin("once", 1, "k"))).toMatchObject({ type: "run.needs_review" });
  expect(calls).toEqual([]);
});

test("4a. what a step has done that was under way when its process died is not left behind where the run fails", async () => {
  const effects = new Set<string>();
  const definition = reactor("beside", { input }, (steps) =>
    steps
      .step("slow", {
        run: async (ctx) => {
          effects.add("slow");
          await sleep(rootContext(ctx.runtime), 1_000);
          return 1;
        },
        undo: () => void effects.delete("slow"),
      })
      .step("bad", { run: fails })
      .returns(() => 1),
  );
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    fate: ({ when, what }) => (when === "after" && what === "step.failed" ? "kill" : "go"),
  });
  await world.finish(await world.begin("beside", 1, "k"));
  expect([...effects]).toEqual([]);
});

test("4b. nor where it is cancelled before another process has taken it", async () => {
  const effects = new Set<string>();
  const definition = reactor("alone", { input }, (steps) =>
    steps
      .step("book", { run: () => effects.add("book").size, undo: () => void effects.delete("book") })
      .returns(() => 1),
  );
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    fate: ({ when, what, process }) =>
      when === "after" && what === "run book" && process.name === "process 1" ? "kill" : "go",
  });
  const runId = await world.begin("alone", 1, "k");
  await world.time.advance(2_000);
  const other = world.processes[1] as SimulatedProcess;
  await world.settled(other.reactors.cancel(other.ctx, runId, "enough"));
  await world.finish(runId);
  expect([...effects]).toEqual([]);
});

test("5. cancelling a run whose compensation is under way does not make a person necessary", async () => {
  const definition = reactor("compensates", { input }, (steps) =>
    steps.step("charge", { run: fails, compensate: (ctx) => sleep(rootContext(ctx.runtime), 5_000) }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("compensates", 1, "k");
  await world.time.advance(1_000);
  await world.settled(first(world).reactors.cancel(first(world).ctx, runId, "enough"));
  expect(await world.finish(runId)).toMatchObject({ type: "run.cancelled" });
});

const charges = (calls: string[]) =>
  reactor("charges", { input }, (steps) =>
    steps
      .step("charge", {
        idempotent: false,
        timeoutMs: 1_000,
        run: never,
        compensate: () => void calls.push("compensate charge"),
        undo: (_ctx, { result }) => void calls.push(`undo charge ${result}`),
      })
      .step("bad", { after: ["charge"], run: fails })
      .returns(() => 1),
  );

test("6a. a step that a person took as done is undone like others", async () => {
  const calls: string[] = [];
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [charges(calls)] });
  const runId = await world.begin("charges", 1, "k");
  await world.finish(runId);
  await world.settled(first(world).reactors.review(first(world).ctx, runId, { decision: "done", result: 7 }));
  await world.time.advance(60_000);
  expect(calls).toEqual(["undo charge 7"]);
  expect(lines(world, runId).at(-1)).toMatch(/^run.compensated/);
});

test("6b. a step that a person took as failed is compensated like others", async () => {
  const calls: string[] = [];
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [charges(calls)] });
  const runId = await world.begin("charges", 1, "k");
  await world.finish(runId);
  await world.settled(first(world).reactors.review(first(world).ctx, runId, { decision: "failed" }));
  await world.time.advance(60_000);
  expect(calls).toEqual(["compensate charge"]);
});

test("7. findOutcome is asked where a step's time was up, as the README says", async () => {
  const definition = reactor("times-out", { input }, (steps) =>
    steps
      .step("charge", { idempotent: false, timeoutMs: 1_000, run: never, findOutcome: () => ({ result: 5 }) })
      .returns(({ results }) => ({ charge: results.charge })),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("times-out", 1, "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed", data: { result: { charge: 5 } } });
});

const asks = reactor("asks", { input }, (steps) =>
  steps
    .step("book", { run: () => 1, undo: (ctx) => sleep(rootContext(ctx.runtime), 5_000) })
    .approval("ok", { title: "May we?", after: ["book"] })
    .step("next", { after: ["ok"], run: (ctx) => sleep(rootContext(ctx.runtime), 5_000) })
    .returns(() => 1),
);
const approvalOf = (world: ProcessWorld, runId: string): string => {
  for (const { event } of world.history(runId))
    if (event.type === "step.waiting" && event.data.wait.for === "approval") return event.data.wait.approvalId;
  throw new Error("no approval was asked for");
};

test("8a. of two decisions at the same time one holds, and the other is told so", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [asks] });
  const runId = await world.begin("asks", 1, "k");
  await world.time.advance(1_000);
  const { reactors, ctx } = first(world);
  const decided = await world.settled(
    Promise.all([
      reactors.decide(ctx, approvalOf(world, runId), { decision: "approved" }),
      reactors.decide(ctx, approvalOf(world, runId), { decision: "rejected" }),
    ]),
  );
  expect(decided.filter(({ ok }) => ok)).toHaveLength(1);
});

test("8b. a decision on what a run asked for that is being undone is refused", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [asks] });
  const runId = await world.begin("asks", 1, "k");
  await world.time.advance(1_000);
  const { reactors, ctx } = first(world);
  await world.settled(reactors.cancel(ctx, runId, "enough"));
  await world.time.advance(1_000);
  const decided = await world.settled(reactors.decide(ctx, approvalOf(world, runId), { decision: "approved" }));
  expect(decided).toMatchObject({ ok: false });
});

test("9. under one key, the same input in another order of its members is the same input", async () => {
  const definition = reactor("amounts", { input: z.record(z.string(), z.number()) }, (steps) =>
    steps.step("one", { run: () => 1 }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("amounts", { a: 1, b: 2 }, "k");
  expect(await world.begin("amounts", { b: 2, a: 1 }, "k")).toBe(runId);
});

// Further ones, red.

test("10. what is thrown may be something that cannot be looked at", async () => {
  const unlookable = new Proxy(
    {},
    {
      getPrototypeOf() {
        throw new Error("trap");
      },
    },
  );
  const definition = reactor("throws", { input }, (steps) =>
    steps.step("a", { run: (): Promise<number> => Promise.reject(unlookable) }).returns(() => 1),
  );
  expect(await testReactor(definition, { input: 1 })).toMatchObject({ status: "failed" });
});

test("11. an error that was made elsewhere and says that a run was halted is a failure like others", async () => {
  const definition = reactor("throws", { input }, (steps) =>
    steps
      .step("a", { run: (): Promise<number> => Promise.reject(new ViableError("reactor.halted", "Elsewhere.")) })
      .returns(() => 1),
  );
  expect(await testReactor(definition, { input: 1 })).toMatchObject({ status: "failed" });
});

test.for([
  ["control characters, each of which takes six", () => "\u0000".repeat(4 * 1024 * 1024 - 10)],
  ["numbers of twenty digits", () => Array.from({ length: 500_000 }, (_, n) => Math.sin(n) / 1e7)],
] as const)("12a. a result is counted as the log counts it: %s", async ([, run]) => {
  const definition = reactor("large", { input }, (steps) =>
    steps.step("a", { run: run as () => unknown }).returns(() => 1),
  );
  expect(await testReactor(definition, { input: 1 })).toMatchObject({ error: { code: "reactor.invalid_result" } });
});

test("12b. a result and the arguments that are kept for its undo fit one append, or the step fails", async () => {
  const definition = reactor("large", { input: z.string() }, (steps) =>
    steps
      .step("a", { args: ({ input }) => ({ input }), run: (_ctx, args) => args.input, undo: () => {} })
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: "x".repeat(4 * 1024 * 1024 - 20) });
  expect(["completed", "failed"]).toContain(run.status);
});

test("12c. a fork that would take over more than fits one append is refused, and says where to fork instead", async () => {
  const large = () => "x".repeat(3 * 1024 * 1024);
  const definition = reactor("large", { input }, (steps) =>
    steps
      .step("a", { run: large })
      .step("b", { run: large })
      .step("c", { run: large })
      .step("d", { after: ["a", "b", "c"], run: () => 1 })
      .returns(({ results }) => results.d),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("large", 1, "k");
  await world.finish(runId);
  const { reactors, ctx } = first(world);
  const forked = reactors.fork(ctx, runId, { from: "d" }).catch((error: unknown) => error);
  expect(await world.settled(forked)).toMatchObject({ code: "reactor.not_forkable" });
});

test("13. a run that is undone right after it has ended is known to a process that starts", async () => {
  const definition = reactor("undone", { input, reversible: true }, (steps) =>
    steps
      .step("a", { run: () => 1, undo: (ctx) => sleep(rootContext(ctx.runtime), 20_000) })
      .sleep("rest", { after: ["a"], args: () => ({ forMs: 7_000 }) })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("undone", 1, "k");
  await world.time.until(() => world.isOver(runId));
  const { reactors, ctx } = first(world);
  await world.settled(reactors.undo(ctx, runId, "enough"));
  await world.time.advance(6_000);
  first(world).kill();
  await world.start();
  await world.time.advance(120_000);
  expect(lines(world, runId).at(-1)).toMatch("run.compensated");
});

test("14. a process that notes late what is open does not undo what another has noted meanwhile", async () => {
  const time = simulateTime({ random: seededRandom(1) });
  const shared: Store = { ...createMemoryStore(), exclusive: false };
  const start = async (seed: number) => {
    const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
    const ctx = rootContext(runtime);
    const store = controlStore(shared, () => new Error("lost"));
    const log = createLog(store, runtime, { types: reactorEventTypes });
    const openRuns = createOpenRuns(log, { changed() {}, ended() {}, received() {} });
    await log.start(ctx);
    const started = openRuns.start(ctx).then(() => true);
    let isStarted = false;
    void started.then(() => {
      isStarted = true;
    });
    await time.until(() => isStarted);
    return { ctx, log, openRuns, store };
  };
  const late = await start(1);
  await time.advance(1_000);
  const other = await start(2);
  const stream = `run:${other.ctx.runtime.ids.next("run")}`;
  const append = (expected: number, type: string, data: JsonObject) =>
    void other.log.append(other.ctx, { streams: [{ stream, expected, events: [{ type, data }] }] });
  append(0, "run.started", { reactor: "r", version: 1, hash: "h", input: null });
  await time.advance(1_500);
  const release = late.store.hold();
  await time.advance(3_000);
  append(1, "run.completed", { result: 1 });
  await time.advance(2_000);
  release();
  await time.advance(30_000);
  expect([late.openRuns.size, other.openRuns.size]).toEqual([0, 0]);
  expect([...(await start(3)).openRuns.all()]).toEqual([]);
});

const slow = reactor("slow", { input }, (steps) =>
  steps.step("a", { run: (ctx) => sleep(rootContext(ctx.runtime), 50_000) }).returns(() => 1),
);

test("15a. a process without its definition does not park a run that another has taken, nor keep a third from taking it", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [slow], maxLatencyMs: 20 });
  const runId = await world.begin("slow", 1, "k");
  await world.start();
  await world.time.advance(700);
  await world.start([]);
  await world.start();
  first(world).kill();
  await world.time.advance(25_000);
  const claimed = world.history(runId).findLast(({ event }) => event.type === "run.claimed")?.event;
  world.processes
    .find(({ membership }) => claimed?.type === "run.claimed" && membership.processId === claimed.data.processId)
    ?.kill();
  await world.time.advance(120_000);
  expect(lines(world, runId).at(-1)).toBe("run.completed");
});

test("15b. a run that was parked is taken by a process that has its definition and runs already", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [slow] });
  const runId = await world.begin("slow", 1, "k");
  await world.start([]);
  const other = await world.start();
  first(world).kill();
  other.pause();
  await world.time.advance(25_000);
  await other.resume();
  await world.time.advance(120_000);
  expect(lines(world, runId).at(-1)).toBe("run.completed");
});

test("16. a step that waits for its turn in a pool does not begin once the run fails", async () => {
  const definition = reactor("pooled", { input }, (steps) =>
    steps
      .step("long", { pool: "p", run: (ctx) => sleep(rootContext(ctx.runtime), 1_000) })
      .step("queued", { pool: "p", run: () => 1 })
      .step("bad", { run: fails })
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: 1, pools: { p: 1 } });
  expect(run.callLines).toEqual(["run long", "run bad"]);
});

test("17. a step that a person wants done again is, though the run fails meanwhile, so that it can be undone", async () => {
  const definition = reactor("reviewed", { input }, (steps) =>
    steps
      .step("charge", {
        idempotent: false,
        timeoutMs: 1_000,
        run: (ctx) => (ctx.runtime.clock.monotonicMs() < 1_000 ? never() : 1),
        undo: () => {},
      })
      .step("bad", {
        run: async (ctx): Promise<number> => {
          await sleep(rootContext(ctx.runtime), 500);
          throw new Error("no");
        },
      })
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: 1 });
  expect(run.status).toBe("needs_review");
  await run.review("retry");
  expect(run.callLines).toEqual(["run bad", "run charge", "run charge", "undo charge"]);
});

test("18. a cancel of a run that is being undone already says so", async () => {
  const definition = reactor("undoing", { input }, (steps) =>
    steps
      .step("a", { run: () => 1, undo: (ctx) => sleep(rootContext(ctx.runtime), 20_000) })
      .step("bad", { after: ["a"], run: fails })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("undoing", 1, "k");
  await world.time.advance(1_000);
  const { reactors, ctx } = first(world);
  const answer = await world.settled(reactors.cancel(ctx, runId, "enough"));
  expect((await world.finish(runId)).type).toBe("run.compensated");
  expect(answer).toMatchObject({ ok: false });
});

test("19. what is sent under one name and key is not taken for another's", async () => {
  const definition = reactor("waits", { input }, (steps) =>
    steps
      .waitFor("pay", { event: "paid", args: () => ({ key: "b/c", timeoutMs: 60_000 }) })
      .returns(({ results }) => ({ got: results.pay })),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const { reactors, ctx } = first(world);
  await world.settled(reactors.send(ctx, "paid/b", "c", 1)).catch(() => undefined);
  expect((await world.finish(await world.begin("waits", 1, "k"))).type).toBe("run.failed");
});

test("20. a compensation that answers something that is no result does not save the run", async () => {
  const definition = reactor("compensates", { input }, (steps) =>
    steps.step("a", { run: fails, compensate: (() => 5) as never }).returns(({ results }) => ({ a: results.a })),
  );
  const run = await testReactor(definition, { input: 1 });
  expect(run.status).toBe("needs_review");
});

test.for(["done", "failed"] as const)(
  "21. of an undo that a person took as %s, the run's end says so",
  async (decision) => {
    const definition = reactor("once", { input }, (steps) =>
      steps
        .step("a", { run: () => 1, undo: () => void fails() })
        .step("bad", { after: ["a"], run: fails })
        .returns(() => 1),
    );
    const run = await testReactor(definition, { input: 1 });
    await run.review(decision);
    expect(run.ending).toMatchObject(decision === "done" ? { type: "run.compensated" } : { data: { kept: ["a"] } });
  },
);

test.for([Number.NaN, -5, 0, Number.POSITIVE_INFINITY, 1e300])(
  "22. a run's time is checked where it is defined: %d",
  (timeoutMs) => {
    expect(() =>
      reactor("timed", { input, timeoutMs }, (steps) => steps.step("a", { run: () => 1 }).returns(() => 1)),
    ).toThrow(/timeoutMs/);
  },
);

test.for([
  ["a time that is no number", { key: "k", timeoutMs: "5" }],
  ["a key that nothing can be sent under", { key: "x".repeat(600), timeoutMs: 5 }],
] as const)("23. a wait for %s fails at once, as a sleep does", async ([, args]) => {
  const definition = reactor("waits", { input: z.strictObject({ key: z.string(), timeoutMs: z.unknown() }) }, (steps) =>
    steps
      .waitFor("w", { event: "e", args: ({ input }) => ({ key: input.key, timeoutMs: input.timeoutMs as never }) })
      .returns(() => 1),
  );
  expect(await testReactor(definition, { input: args })).toMatchObject({
    status: "failed",
    error: { code: "reactor.invalid_argument" },
  });
});
