// That a run whose time is up begins nothing more, whoever comes to have it, though nobody had it when its time was up.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { StepContext } from "./step-context.ts";
import { describeEvent } from "./testing/describe-event.ts";
import type { Breakpoint, ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const timeoutMs = 60_000;
const hourMs = 3_600_000;
const first = (world: ProcessWorld) => world.processes[0] as SimulatedProcess;
const types = (world: ProcessWorld, runId: string) => world.history(runId).map(({ event }) => event.type);
const calls = (world: ProcessWorld) => world.calls.map(({ process, role, step }) => `${process}: ${role} ${step}`);

/** Nobody is there for that long; then one process starts. */
async function startLater(world: ProcessWorld, afterMs: number): Promise<SimulatedProcess> {
  world.time.setTimer(() => {}, afterMs);
  await world.time.advance(afterMs);
  return await world.start();
}

/** Kills the process once the first append is durable that holds such an event. */
function killOnceAfter(type: string) {
  let isMet = false;
  return ({ kind, when, what }: Breakpoint) => {
    if (isMet || kind !== "append" || when !== "after" || !what.includes(type)) return "go";
    isMet = true;
    return "kill";
  };
}

test("it is undone by the process that takes it over, which does not do what would have been next", async () => {
  const definition = reactor("late", { input, timeoutMs }, (steps) =>
    steps
      .step("reserve", { run: () => 1, undo: () => {} })
      .step("charge", { after: ["reserve"], run: () => 1 })
      .returns(() => 1),
  );
  const fate = killOnceAfter("step.succeeded");
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition], fate });
  const runId = await world.begin("late", 1, "k");
  await world.time.until(() => first(world).state === "dead");
  await startLater(world, 48 * hourMs);
  expect(await world.finish(runId)).toMatchObject({
    type: "run.compensated",
    data: { cause: { error: { code: "reactor.run_timed_out" } } },
  });
  expect(calls(world)).toEqual(["process 1: run reserve", "process 2: undo reserve"]);
  expect(types(world, runId).slice(0, 4)).toEqual(["run.started", "step.succeeded", "run.claimed", "run.gave_up"]);
});

test("a wait that was over in time does not let it go on", async () => {
  const definition = reactor("late", { input, timeoutMs }, (steps) =>
    steps
      .sleep("nap", { args: () => ({ forMs: 20_000 }) })
      .step("charge", { after: ["nap"], run: () => 1 })
      .returns(() => 1),
  );
  const fate = killOnceAfter("step.waiting");
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition], fate });
  const runId = await world.begin("late", 1, "k");
  await world.time.until(() => first(world).state === "dead");
  await startLater(world, hourMs);
  expect(await world.finish(runId)).toMatchObject({
    type: "run.failed",
    data: { error: { code: "reactor.run_timed_out" } },
  });
  expect(calls(world)).toEqual([]);
});

test("what a person wants done again is done, as where its process had it all the time, and nothing after it", async () => {
  let isWell = false;
  const definition = reactor("asks", { input, timeoutMs }, (steps) =>
    steps
      .step("wire", {
        idempotent: false,
        timeoutMs: 100,
        run: () => (isWell ? 1 : new Promise<number>(() => {})),
        undo: () => {},
      })
      .step("then", { after: ["wire"], run: () => 1 })
      .returns(() => 1),
  );
  const play = async (isHeld: boolean) => {
    isWell = false;
    const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
    const runId = await world.begin("asks", 1, "k");
    await world.time.until(() => types(world, runId).at(-1) === "run.needs_review");
    if (!isHeld) first(world).kill();
    const { reactors, ctx } = await startLater(world, hourMs);
    isWell = true;
    await world.settled(reactors.review(ctx, runId, { decision: "retry" }));
    await world.finish(runId);
    return world.history(runId).map(({ event }) => describeEvent(event));
  };
  const held = await play(true);
  expect(held.at(-1)).toMatch(/^run.compensated/);
  const others = (lines: readonly string[]) => lines.filter((line) => !line.startsWith("run.claimed")).sort();
  expect(others(await play(false))).toEqual(others(held));
});

test("one of which all was done in time completes", async () => {
  const definition = reactor("asks", { input, timeoutMs }, (steps) =>
    steps.approval("ask", { title: "May we?" }).returns(({ results }) => results.ask),
  );
  let isMet = false;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    fate: ({ what, when }) => {
      if (isMet || when !== "before" || what !== "run.completed") return "go";
      isMet = true;
      return "kill";
    },
  });
  const runId = await world.begin("asks", 1, "k");
  await world.time.advance(1_000);
  const [one, two] = world.processes as [SimulatedProcess, SimulatedProcess];
  const [asked] = [...one.reactors.approvals(one.ctx)];
  await world.settled(two.reactors.decide(two.ctx, asked?.approvalId ?? "", { decision: "approved" }));
  await world.time.until(() => isMet);
  two.kill();
  await startLater(world, hourMs);
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
});

test("nothing more is begun where the time is up before its timer comes, as after a wall clock was put right", async () => {
  let world: ProcessWorld | undefined;
  const definition = reactor("late", { input, timeoutMs }, (steps) =>
    steps
      .step("reserve", {
        run: () => {
          if (world !== undefined) first(world).clock.wallOffsetMs = hourMs;
        },
        undo: () => {},
      })
      .step("charge", { after: ["reserve"], run: () => 1 })
      .returns(() => 1),
  );
  world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("late", 1, "k");
  expect(await world.finish(runId)).toMatchObject({
    type: "run.compensated",
    data: { cause: { error: { code: "reactor.run_timed_out" } } },
  });
  expect(calls(world)).toEqual(["process 1: run reserve", "process 1: undo reserve"]);
});

test.for([
  ["its turn", undefined],
  ["a place in its pool", "bank"],
] as const)("nor does what waits for %s", async ([, pool]) => {
  const run = ({ runtime }: StepContext) => sleep(rootContext(runtime), 10_000).then(() => 1);
  const said = { run, ...(pool !== undefined && { pool }) };
  const definition = reactor("late", { input, timeoutMs, maxConcurrency: pool === undefined ? 1 : 10 }, (steps) =>
    steps
      .step("one", said)
      .step("two", said)
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition], pools: { bank: 1 } });
  const runId = await world.begin("late", 1, "k");
  await world.time.advance(5_000);
  first(world).clock.wallOffsetMs = hourMs;
  expect(await world.finish(runId)).toMatchObject({ type: "run.failed" });
  expect(calls(world)).toEqual(["process 1: run one"]);
});
