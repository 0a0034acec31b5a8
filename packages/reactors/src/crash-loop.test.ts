// That a run which takes down each process that has it is begun again a bounded number of times, more and more rarely, and then asks a person;
// and that no other run is taken for one: not one that waits, not one that comes further, and not one that only shared a process with it.
import { rootContext, sleep } from "@viable/kernel";
import type { RunEventData, RunEventType } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { StepContext } from "./step-context.ts";
import { describeEvent } from "./testing/describe-event.ts";
import type { Breakpoint, Fate, ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const hourMs = 3_600_000;
/** How often such a run is begun: once by whoever has it first, and at nine takeovers. */
const tries = 10;

const fails = (): number => {
  throw new Error("no");
};
const rest = ({ runtime }: StepContext, ms: number) => sleep(rootContext(runtime), ms);
const first = (world: ProcessWorld) => world.running[0] as SimulatedProcess;
const lastLine = (world: ProcessWorld, runId: string) =>
  describeEvent(world.history(runId).at(-1)?.event as Parameters<typeof describeEvent>[0]);
const all = <T extends RunEventType>(world: ProcessWorld, runId: string, type: T) =>
  world.history(runId).flatMap(({ event }) => (event.type === type ? [event.data as RunEventData<T>] : []));
/** Within a time by which a run that nothing bounds has been begun some hundred times. */
const finish = (world: ProcessWorld, runId: string) => world.finish(runId, { maxMs: hourMs });
const claims = (world: ProcessWorld, runId: string) => all(world, runId, "run.claimed").length;
const calls = (world: ProcessWorld, runId: string, what: string) =>
  world.calls.filter((call) => call.runId === runId && `${call.role} ${call.step}` === what).length;
/** Whoever calls one of these dies of it. */
const deadly =
  (...whats: readonly string[]) =>
  ({ kind, when, what }: Breakpoint): Fate =>
    kind === "effect" && when === "before" && whats.includes(what) ? "kill" : "go";
const review = (world: ProcessWorld, runId: string, decision: "retry" | "done" | "failed", result?: number) =>
  world.settled(
    first(world).reactors.review(first(world).ctx, runId, { decision, ...(result !== undefined && { result }) }),
  );
/** Whoever takes a run dies of it, before anything is done. */
const takes = ({ when, what }: Breakpoint): Fate =>
  when === "after" && what.startsWith("run.claimed") ? "kill" : "go";
/** Has a run taken over that often, one process after the other. */
const takeOver = async (world: ProcessWorld, runId: string, times: number) => {
  first(world).kill();
  while (claims(world, runId) < times) {
    await world.start();
    await world.time.until(() => world.running.length === 0, 60_000);
  }
};

const boom = reactor("boom", { input }, (steps) =>
  steps.step("boom", { run: () => 1 }).returns(({ results }) => results.boom),
);

describe("a step that takes its process down", () => {
  test("is begun ten times, and then a person is asked about it", async () => {
    const world = await simulateProcesses({ seed: 1, definitions: [boom], fate: deadly("run boom") });
    const runId = await world.begin("boom", 1, "k");
    expect(await finish(world, runId)).toEqual({
      type: "run.needs_review",
      data: {
        step: "boom",
        during: "run",
        reason: expect.stringMatching(
          /^it was taken over 10 times in a row and nothing came of it: .*takes its process down$/,
        ),
      },
    });
    expect([calls(world, runId, "run boom"), claims(world, runId)]).toEqual([tries, 10]);
    // Whoever asks goes on with all else.
    await world.time.advance(hourMs);
    expect(calls(world, runId, "run boom")).toBe(tries);
  });

  test("is begun anew as often where a person says so, and asked about again", async () => {
    const world = await simulateProcesses({ seed: 1, definitions: [boom], fate: deadly("run boom") });
    const runId = await world.begin("boom", 1, "k");
    await finish(world, runId);
    expect(await review(world, runId, "retry")).toEqual({ ok: true });
    await finish(world, runId);
    expect(lastLine(world, runId)).toMatch(/^run.needs_review boom/);
    expect(calls(world, runId, "run boom")).toBe(2 * tries);
    expect(await review(world, runId, "done", 7)).toEqual({ ok: true });
    expect(await finish(world, runId)).toMatchObject({ type: "run.completed", data: { result: 7 } });
  });

  test("goes on where it does so nine times and not the tenth", async () => {
    let left = tries - 1;
    const world = await simulateProcesses({
      seed: 1,
      definitions: [boom],
      fate: (point) => (deadly("run boom")(point) === "kill" && left-- > 0 ? "kill" : "go"),
    });
    const runId = await world.begin("boom", 1, "k");
    expect(await finish(world, runId)).toMatchObject({ type: "run.completed", data: { result: 1 } });
  });

  test("is left alone for longer and longer from the fourth takeover on, by whichever process", async () => {
    const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [boom], fate: deadly("run boom") });
    const runIds: string[] = [];
    for (let nr = 0; nr < 30; nr++) runIds.push(await world.begin("boom", nr, `${nr}`));
    for (const runId of runIds) await finish(world, runId);
    const gaps = Array.from({ length: 9 }, (_, nr) =>
      runIds.map((runId) => {
        const at = world.history(runId).flatMap(({ event, atMs }) => (event.type === "run.claimed" ? [atMs] : []));
        return (at[nr + 1] as number) - (at[nr] as number);
      }),
    );
    const longest = gaps.map((each) => Math.max(...each));
    expect(Math.max(...longest.slice(0, 2))).toBeLessThan(15_000);
    expect(longest[6]).toBeGreaterThan(100_000);
    expect(Math.max(...longest)).toBeLessThan(320_000);
  });

  test.each([60_000, 200_000])(
    "ends with its run, and asks nobody, as soon as the run's time is up: after %i ms",
    async (timeoutMs) => {
      const limited = reactor("boom", { input, timeoutMs }, (steps) =>
        steps.step("boom", { run: () => 1 }).returns(() => 1),
      );
      const world = await simulateProcesses({ seed: 1, definitions: [limited], fate: deadly("run boom") });
      const beganMs = world.time.now();
      const runId = await world.begin("boom", 1, "k");
      await finish(world, runId);
      const [gaveUp] = world.history(runId).filter(({ event }) => event.type === "run.gave_up");
      // No later than the next process has it.
      expect((gaveUp?.atMs ?? Number.NaN) - beganMs - timeoutMs).toBeLessThan(20_000);
      expect(lastLine(world, runId)).toBe("run.failed: reactor.run_timed_out");
      expect(all(world, runId, "run.needs_review")).toEqual([]);
    },
  );

  test("is not read again and again while it is left alone", async () => {
    const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [boom], fate: deadly("run boom") });
    const { readStreams } = world.store;
    let reads = 0;
    world.store.readStreams = async (...args) => {
      reads += 1;
      return await readStreams(...args);
    };
    const beganMs = world.time.now();
    await finish(world, await world.begin("boom", 1, "k"));
    // Runs are looked through each five seconds.
    expect((world.time.now() - beganMs) / 5_000).toBeGreaterThan(60);
    expect(reads).toBeLessThan(25);
  });

  test("is not counted by its beginnings where it must not be done twice and is known not to have happened", async () => {
    const once = reactor("once", { input }, (steps) =>
      steps.step("boom", { idempotent: false, findOutcome: () => undefined, run: () => 1 }).returns(() => 1),
    );
    const world = await simulateProcesses({ seed: 1, definitions: [once], fate: deadly("run boom") });
    const runId = await world.begin("once", 1, "k");
    await finish(world, runId);
    expect(lastLine(world, runId)).toMatch(/^run.needs_review boom \(run\): it was taken over 10 times/);
    expect(calls(world, runId, "run boom")).toBe(tries);
  });

  test("is asked about with those that could have been called beside it", async () => {
    const many = reactor("many", { input }, (steps) =>
      steps
        .map("each", { over: ({ input }) => input as never }, (each) =>
          each.step("boom", { run: () => 1 }).returns(() => 1),
        )
        .returns(() => 1),
    );
    const world = await simulateProcesses({ seed: 1, definitions: [many], fate: deadly("run each[0]/boom") });
    const runId = await world.begin(
      "many",
      Array.from({ length: 14 }, (_, nr) => nr),
      "k",
    );
    await finish(world, runId);
    const others = Array.from({ length: 10 }, (_, nr) => `each[${nr + 1}]/boom`).join(", ");
    expect(lastLine(world, runId)).toMatch(/^run.needs_review each\[0\]\/boom/);
    expect(lastLine(world, runId)).toContain(`; ${others} and 3 more could have been called too`);
  });

  test("in a run that is cancelled meanwhile is asked about once more, since what it did could not be undone", async () => {
    const books = reactor("books", { input }, (steps) =>
      steps
        .step("boom", { run: () => 1, undo: () => {} })
        .step("beside", { after: ["boom"], run: () => 1 })
        .returns(() => 1),
    );
    const world = await simulateProcesses({ seed: 1, definitions: [books], fate: deadly("run boom") });
    const runId = await world.begin("books", 1, "k");
    await finish(world, runId);
    await world.settled(first(world).reactors.cancel(first(world).ctx, runId, "enough"));
    await review(world, runId, "retry");
    await finish(world, runId);
    expect(lastLine(world, runId)).toMatch(/^run.needs_review boom \(run\): it was taken over 10 times/);
    await review(world, runId, "failed");
    expect(await finish(world, runId)).toMatchObject({ type: "run.cancelled" });
  });
});

test("a condition that takes its process down is asked about, and goes on where it was", async () => {
  let deadly: "when" | "until" | undefined = "when";
  let asked = 0;
  const ask = (which: "when" | "until") => () => {
    asked += 1;
    if (deadly === which) first(world).kill();
    return true;
  };
  const chooses = reactor("chooses", { input }, (steps) =>
    steps
      .switch("which", {
        args: () => ({}),
        branches: { one: { when: ask("when"), steps: (inner) => inner.step("a", { run: () => 1 }).returns(() => 1) } },
      })
      .repeat(
        "turns",
        { after: ["which"], maxTurns: 3 },
        (inner) => inner.step("b", { run: () => 1 }).returns(() => 1),
        ask("until"),
      )
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, definitions: [chooses] });
  const runId = await world.begin("chooses", 1, "k");
  await finish(world, runId);
  expect(lastLine(world, runId)).toMatch(/^run.needs_review which \(run\)/);
  expect(asked).toBe(tries);
  deadly = "until";
  await review(world, runId, "retry");
  await finish(world, runId);
  expect(lastLine(world, runId)).toMatch(/^run.needs_review turns \(run\)/);
  expect(asked).toBe(2 * tries + 1);
  deadly = undefined;
  await review(world, runId, "retry");
  expect(await finish(world, runId)).toMatchObject({ type: "run.completed" });
});

test("a condition that is to be asked again does not keep a run from its end whose time is up by then", async () => {
  let isDeadly = true;
  const repeats = reactor("repeats", { input, timeoutMs: hourMs }, (steps) =>
    steps
      .repeat(
        "turns",
        { maxTurns: 3 },
        (inner) => inner.step("b", { run: () => 1 }).returns(() => 1),
        () => {
          if (isDeadly) first(world).kill();
          return false;
        },
      )
      .returns(() => 1),
  );
  const world: ProcessWorld = await simulateProcesses({ seed: 1, definitions: [repeats] });
  const runId = await world.begin("repeats", 1, "k");
  await finish(world, runId);
  expect(lastLine(world, runId)).toMatch(/^run.needs_review turns/);
  isDeadly = false;
  await world.time.until(() => all(world, runId, "run.gave_up").length > 0, hourMs);
  await review(world, runId, "retry");
  expect(await finish(world, runId)).toMatchObject({
    type: "run.failed",
    data: { error: { code: "reactor.run_timed_out" } },
  });
});

describe("what clears up after a step and takes its process down", () => {
  test("is begun ten times as a compensation, and then a person is asked about that", async () => {
    const compensates = reactor("compensates", { input }, (steps) =>
      steps.step("a", { run: fails, compensate: () => {} }).returns(() => 1),
    );
    const world = await simulateProcesses({ seed: 1, definitions: [compensates], fate: deadly("compensate a") });
    const runId = await world.begin("compensates", 1, "k");
    await finish(world, runId);
    expect(lastLine(world, runId)).toMatch(/^run.needs_review a \(compensate\): it was taken over 10 times/);
    expect(calls(world, runId, "compensate a")).toBe(tries);
    await review(world, runId, "retry");
    await finish(world, runId);
    expect(calls(world, runId, "compensate a")).toBe(2 * tries);
    await review(world, runId, "done");
    expect(await finish(world, runId)).toMatchObject({ type: "run.failed" });
  });

  test("is begun ten times as an undo, and then a person is asked about that", async () => {
    const undoes = reactor("undoes", { input }, (steps) =>
      steps
        .step("a", { run: () => 1, undo: () => {} })
        .step("b", { after: ["a"], run: () => 1, undo: () => {} })
        .step("bad", { after: ["b"], run: fails })
        .returns(() => 1),
    );
    const world = await simulateProcesses({ seed: 1, definitions: [undoes], fate: deadly("undo a") });
    const runId = await world.begin("undoes", 1, "k");
    await finish(world, runId);
    const [of] = world.history(runId).filter(({ event }) => event.type === "step.succeeded");
    expect(world.history(runId).at(-1)?.event).toMatchObject({
      type: "run.needs_review",
      data: { step: "a", during: "undo", of: of?.version },
    });
    expect([calls(world, runId, "undo b"), calls(world, runId, "undo a")]).toEqual([1, tries]);
    await review(world, runId, "retry");
    await finish(world, runId);
    expect(calls(world, runId, "undo a")).toBe(2 * tries);
    await review(world, runId, "done");
    expect(await finish(world, runId)).toMatchObject({ type: "run.compensated" });
  });
});

describe("nobody is asked about a run", () => {
  test("of which everything waits while thirty processes have it one after the other", async () => {
    const child = reactor("child", { input }, (steps) =>
      steps.waitFor("late", { event: "late", args: () => ({ key: "k" }) }).returns(() => 1),
    );
    const waits = reactor("waits", { input }, (steps) =>
      steps
        .sleep("nap", { args: () => ({ forMs: 3 * hourMs }) })
        .waitFor("word", { event: "word", args: () => ({ key: "k" }) })
        .approval("yes", { title: "Yes?" })
        .compose("kid", child, { args: () => 1 })
        .step("again", {
          run: ({ attempt }) => (attempt === 1 ? fails() : 1),
          retry: { baseMs: 3 * hourMs, maxMs: 3 * hourMs },
        })
        .returns(() => 1),
    );
    let isDeadly = true;
    const fate = (point: Breakpoint) => (isDeadly ? takes(point) : "go");
    const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [waits], fate });
    const runId = await world.begin("waits", 1, "k");
    await world.time.advance(1_000);
    await takeOver(world, runId, 30);
    isDeadly = false;
    await world.start();
    await world.time.advance(15_000);
    const { reactors, ctx } = first(world);
    for (const event of ["word", "late"]) await world.settled(reactors.send(ctx, event, "k", 1));
    const [asked] = all(world, runId, "step.waiting").flatMap(({ wait }) => (wait.for === "approval" ? [wait] : []));
    await world.settled(reactors.decide(ctx, asked?.approvalId ?? "", { decision: "approved" }));
    expect(await world.finish(runId, { maxMs: 4 * hourMs })).toMatchObject({ type: "run.completed" });
    expect(world.runIds.flatMap((each) => all(world, each, "run.needs_review"))).toEqual([]);
  });

  test("that comes further each time that a process has it, nor is it kept waiting", async () => {
    const list = Array.from({ length: 20 }, (_, nr) => nr);
    const many = reactor("many", { input }, (steps) =>
      steps
        .map("each", { over: ({ input }) => input as never, maxConcurrency: 1 }, (each) =>
          each.step("one", { run: () => 1 }).returns(() => 1),
        )
        .returns(() => 1),
    );
    const world = await simulateProcesses({
      seed: 1,
      processes: 1,
      definitions: [many],
      fate: ({ when, what }) => (when === "after" && what === "step.succeeded" ? "kill" : "go"),
    });
    const beganMs = world.time.now();
    const runId = await world.begin("many", list, "k");
    expect(await finish(world, runId)).toMatchObject({ type: "run.completed" });
    expect(claims(world, runId)).toBeGreaterThanOrEqual(19);
    expect(world.time.now() - beganMs).toBeLessThan(20 * 20_000);
  });

  describe("that waits for one that it composes, whose undo a person is asked about", () => {
    const child = reactor("child", { input, reversible: true }, (steps) =>
      steps
        .step("c", { run: () => 1, undo: () => void fails() })
        .sleep("nap", { args: ({ input }) => ({ forMs: input as never }) })
        .returns(() => 1),
    );
    test.each([
      [
        "as it is undone",
        reactor("parent", { input }, (steps) =>
          steps
            .compose("kid", child, { args: () => 1 })
            .step("bad", { after: ["kid"], run: fails })
            .returns(() => 1),
        ),
      ],
      [
        "as it goes no further, with a step that is not begun again",
        reactor("parent", { input }, (steps) =>
          steps
            .compose("kid", child, { args: () => hourMs })
            .step("beside", { run: (ctx) => rest(ctx, 10_000) })
            .step("bad", { run: (ctx) => rest(ctx, 100).then(fails) })
            .returns(() => 1),
        ),
      ],
    ])("%s", async (_, parent) => {
      let isDeadly = true;
      const fate = (point: Breakpoint) => (isDeadly ? takes(point) : "go");
      const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [parent], fate });
      const runId = await world.begin("parent", 1, "k");
      const kid = () => world.runIds.find((each) => each !== runId) ?? "";
      // Before it is noted anywhere that nothing of it goes on.
      await world.time.advance(3_000);
      await takeOver(world, runId, 30);
      isDeadly = false;
      await world.start();
      await world.time.until(() => all(world, kid(), "run.needs_review").length > 0, hourMs);
      await review(world, kid(), "done");
      const ended = await finish(world, runId);
      expect(["run.compensated", "run.failed"]).toContain(ended.type);
      expect(all(world, runId, "run.needs_review")).toEqual([]);
    });
  });

  test.each([1, 2, 3, 4])("that was in one process with one that took it down, drawn by %i", async (seed) => {
    const slow = reactor("slow", { input }, (steps) =>
      steps.step("slow", { run: (ctx) => rest(ctx, 5_000).then(() => 1) }).returns(() => 1),
    );
    const world = await simulateProcesses({
      seed,
      processes: 1,
      definitions: [boom, slow],
      fate: deadly("run boom"),
    });
    const innocent: string[] = [];
    for (let nr = 0; nr < 20; nr++) innocent.push(await world.begin("slow", nr, `${nr}`));
    const runId = await world.begin("boom", 1, "k");
    await finish(world, runId);
    for (const each of innocent) expect(await finish(world, each)).toMatchObject({ type: "run.completed" });
    expect(lastLine(world, runId)).toMatch(/^run.needs_review boom/);
    expect(calls(world, runId, "run boom")).toBe(tries);
  });
});
