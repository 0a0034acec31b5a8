// That a run whose process dies, or stops past its lease, goes on in another as if nothing had happened, and nothing is done twice that must not be.
import { createRuntime, rootContext, seededRandom, sleep, ViableError } from "@viable/kernel";
import { createLog, storeRefused } from "@viable/log";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { describeEvent } from "./testing/describe-event.ts";
import type { Breakpoint, Fate, ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const lines = (world: ProcessWorld, runId: string) => world.history(runId).map(({ event }) => describeEvent(event));
const first = (world: ProcessWorld) => world.processes[0] as SimulatedProcess;
const fails = (): number => {
  throw new Error("no");
};

const slow = reactor("slow", { input }, (steps) =>
  steps.step("a", { run: (ctx) => sleep(rootContext(ctx.runtime), 50_000) }).returns(() => 1),
);

test("a run that composes and whose process dies or stops at any moment goes on in another", async () => {
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
      const { world, ending } = await play((point) => (point.index === index ? fate : "go"));
      if (world.faults.length !== 1) stuck.push(`${fate} ${index}: it was not met`);
      if (ending !== "run.compensated") stuck.push(`${fate} ${index}, ${when} ${what}: ${ending}`);
    }
  expect(stuck).toEqual([]);
});

test("a process stopped past its lease between recording that a once-only step begins and doing it does not do it", async () => {
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
  expect(world.faults).toHaveLength(1);
  expect(done).toBe(1);
});

test("a process stopped past its lease before a once-only compensation does not do it, and a person is asked elsewhere", async () => {
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
  expect(world.faults).toHaveLength(1);
  expect(calls).toEqual([]);
});

test("what a step has done that was under way when its process died is not left behind where the run fails", async () => {
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
  expect(world.faults).toHaveLength(1);
  expect([...effects]).toEqual([]);
});

test("what a step has done when its process died is not left behind where the run is cancelled before another has taken it", async () => {
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
  expect(world.faults).toHaveLength(1);
  expect([...effects]).toEqual([]);
});

test("a composed run that is to be begun anew is not asked after before it is durable that it began", async () => {
  let paused = 0;
  const play = async (seed: number, pauseAt: number) => {
    let failures = 0;
    const child = reactor("child", { input }, (steps) =>
      steps
        .step("c", {
          run: () => {
            failures += 1;
            if (failures === 1) throw new Error("no");
            return 1;
          },
        })
        .returns(() => 1),
    );
    const parent = reactor("parent", { input }, (steps) =>
      steps.compose("kid", child, { args: () => 1, onFailure: () => "restart" }).returns(() => 1),
    );
    const fate = ({ index }: { index: number }) => (index === pauseAt ? "pause" : "go");
    const world = await simulateProcesses({ seed, definitions: [parent], maxLatencyMs: 20, fate });
    const ended = await world.finish(await world.begin("parent", 1, "k"));
    paused += world.faults.length;
    return `${ended.type} ${"error" in ended.data ? ended.data.error?.code : ""}`;
  };
  const wrong: string[] = [];
  for (let seed = 1; seed <= 15; seed++)
    for (let pauseAt = -1; pauseAt < 9; pauseAt++) {
      const came = await play(seed, pauseAt);
      if (!came.startsWith("run.completed")) wrong.push(`seed ${seed}, pause at ${pauseAt}: ${came}`);
    }
  expect(wrong).toEqual([]);
  // At each breakpoint of each seed, and once at none.
  expect(paused).toBe(15 * 9);
});

test("a process without its definition does not park a run that another has taken, nor keep a third from taking it", async () => {
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

test("a run that was parked is taken by a process that has its definition and runs already", async () => {
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

describe("many runs at once", () => {
  const paused = reactor("paused", { input }, (steps) =>
    steps
      .map("each", { over: ({ input }) => input as never }, (each) =>
        each.step("one", { args: ({ element }) => element, run: (_ctx, n) => n }).returns(({ results }) => results.one),
      )
      .sleep("rest", { after: ["each"], args: () => ({ forMs: 5_000 }) })
      .returns(({ results }) => results.each),
  );
  /** Runs that sleep when their only process dies, and another that takes them over. */
  const leave = async (elements: readonly number[][]) => {
    const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [paused] });
    const runIds: string[] = [];
    for (const [nr, list] of elements.entries()) runIds.push(await world.begin("paused", list, `${nr}`));
    await world.time.advance(1_000);
    first(world).kill();
    return { world, runIds };
  };
  const results = (world: ProcessWorld, runIds: readonly string[]) =>
    runIds.map((runId) => {
      const ended = world.history(runId).at(-1)?.event;
      return ended?.type === "run.completed" ? ended.data.result : ended?.type;
    });

  test("are read in few questions, none of which is for more than 256, and each goes on once", async () => {
    const elements = Array.from({ length: 600 }, (_, nr) => [nr]);
    const { world, runIds } = await leave(elements);
    const { readStreams, readStream } = world.store;
    const asked: number[] = [];
    world.store.readStreams = async (from, limits) => {
      asked.push(from.length);
      return await readStreams(from, limits);
    };
    let alone = 0;
    world.store.readStream = async (...args) => {
      alone += 1;
      return await readStream(...args);
    };
    await world.start();
    await world.time.advance(60_000);
    expect(results(world, runIds)).toEqual(elements);
    expect(asked.reduce((sum, count) => sum + count, 0)).toBe(600);
    expect(Math.max(...asked)).toBe(256);
    expect(asked.length).toBeLessThan(10);
    expect(alone).toBe(0);
  });

  test("whose question the database refuses are read each by itself", async () => {
    const { world, runIds } = await leave([[1], [2], [3]]);
    world.store.readStreams = async () => {
      throw new ViableError(storeRefused, "What is stored of one of them cannot be read.");
    };
    const other = await world.start();
    await world.time.advance(60_000);
    expect(results(world, runIds)).toEqual([[1], [2], [3]]);
    expect(other.problems).toEqual([]);
  });

  test("of which some are long are read to their ends", async () => {
    const elements = [31, 32, 33, 1_500].map((length) => Array.from({ length }, (_, nr) => nr));
    const { world, runIds } = await leave(elements);
    await world.start();
    await world.time.advance(60_000);
    expect(results(world, runIds)).toEqual(elements);
    expect(world.calls).toHaveLength(31 + 32 + 33 + 1_500);
  });

  test("of which one holds what cannot be read go on without it", async () => {
    const { world, runIds } = await leave([[1], [2], [3]]);
    const [, bad = ""] = runIds;
    const events = [{ type: "step.succeeded", data: { steps: "all" } }];
    const runtime = createRuntime({ clock: world.time, random: seededRandom(99) });
    const append = { streams: [{ stream: `run:${bad}`, expected: "any" as const, events }] };
    await world.settled(createLog(world.store, runtime).append(rootContext(runtime), append));
    const other = await world.start();
    await world.time.advance(60_000);
    expect(results(world, runIds)).toEqual([[1], "step.waiting", [3]]);
    expect(other.problems).toEqual([
      expect.stringMatching(`${bad}: It cannot be carried on: Event 4 of run:${bad} is no event of a run: data`),
      expect.stringMatching(`${bad}: Nor could it be parked`),
    ]);
  });
});
