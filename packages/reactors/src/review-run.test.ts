// That nobody is left to guess: what happened is found out or a person is asked, and what the person says is what happens.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { describeEvent } from "./testing/describe-event.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();
const lines = (world: ProcessWorld, runId: string) => world.history(runId).map(({ event }) => describeEvent(event));
const first = (world: ProcessWorld) => world.processes[0] as SimulatedProcess;
const never = () => new Promise<number>(() => {});
const fails = (): number => {
  throw new Error("no");
};

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

test("a step that a person took as done is undone like others", async () => {
  const calls: string[] = [];
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [charges(calls)] });
  const runId = await world.begin("charges", 1, "k");
  await world.finish(runId);
  await world.settled(first(world).reactors.review(first(world).ctx, runId, { decision: "done", result: 7 }));
  await world.time.advance(60_000);
  expect(calls).toEqual(["undo charge 7"]);
  expect(lines(world, runId).at(-1)).toMatch(/^run.compensated/);
});

test("a step that a person took as failed is compensated like others", async () => {
  const calls: string[] = [];
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [charges(calls)] });
  const runId = await world.begin("charges", 1, "k");
  await world.finish(runId);
  await world.settled(first(world).reactors.review(first(world).ctx, runId, { decision: "failed" }));
  await world.time.advance(60_000);
  expect(calls).toEqual(["compensate charge"]);
});

test("findOutcome is asked where a step's time was up", async () => {
  const definition = reactor("times-out", { input }, (steps) =>
    steps
      .step("charge", { idempotent: false, timeoutMs: 1_000, run: never, findOutcome: () => ({ result: 5 }) })
      .returns(({ results }) => ({ charge: results.charge })),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("times-out", 1, "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed", data: { result: { charge: 5 } } });
});

test("a step that a person wants done again is, though the run fails meanwhile, so that it can be undone", async () => {
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

test("a compensation that answers something that is no result does not save the run", async () => {
  const definition = reactor("compensates", { input }, (steps) =>
    steps.step("a", { run: fails, compensate: (() => 5) as never }).returns(({ results }) => ({ a: results.a })),
  );
  const run = await testReactor(definition, { input: 1 });
  expect(run.status).toBe("needs_review");
});

test.for(["done", "failed"] as const)(
  "of an undo that a person took as %s, the run's end says so",
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

test("what a person wants done again in a run that was cancelled is let end, whatever else is said meanwhile", async () => {
  const calls: string[] = [];
  const slowly = (name: string) => ({
    idempotent: false,
    run: async ({ runtime, signal }: { runtime: Parameters<typeof rootContext>[0]; signal: AbortSignal }) => {
      calls.push(name);
      await sleep(rootContext(runtime, { signal }), 2_000);
      return 1;
    },
    undo: () => void calls.push(`undo ${name}`),
  });
  const definition = reactor("two", { input }, (steps) =>
    steps
      .step("a", slowly("a"))
      .step("b", slowly("b"))
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const { reactors, ctx } = first(world);
  const runId = await world.begin("two", 1, "k");
  await world.time.advance(500);
  await world.settled(reactors.cancel(ctx, runId, "enough"));
  for (let asked = 0; asked < 2; asked++) {
    await world.time.advance(500);
    expect(await world.settled(reactors.review(ctx, runId, { decision: "retry" }))).toMatchObject({ ok: true });
  }
  await world.time.advance(30_000);
  expect(lines(world, runId).at(-1)).toMatch(/^run.cancelled/);
  expect(calls.slice(0, 4)).toEqual(["a", "b", "a", "b"]);
});
