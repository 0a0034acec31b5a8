// Each of these fails by a defect of the engine, and moves into the file it belongs to as soon as it does not.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { describeEvent } from "./testing/describe-event.ts";
import type { Breakpoint, Fate, ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

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
