// That a cancellation ends a run with all that it had done taken back, and says so where it comes too late.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const first = (world: ProcessWorld) => world.processes[0] as SimulatedProcess;
const fails = (): number => {
  throw new Error("no");
};

/** Does it at once, and answers a second later: what is on its way then cannot be called back. */
const book = (effects: Set<string>) => ({
  run: async ({ runtime }: { runtime: Parameters<typeof rootContext>[0] }) => {
    effects.add("book");
    await sleep(rootContext(runtime), 1_000);
    return 1;
  },
  undo: () => void effects.delete("book"),
});

test("cancelling a run whose compensation is under way does not make a person necessary", async () => {
  const definition = reactor("compensates", { input }, (steps) =>
    steps.step("charge", { run: fails, compensate: (ctx) => sleep(rootContext(ctx.runtime), 5_000) }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("compensates", 1, "k");
  await world.time.advance(1_000);
  await world.settled(first(world).reactors.cancel(first(world).ctx, runId, "enough"));
  expect(await world.finish(runId)).toMatchObject({ type: "run.cancelled" });
});

test("a cancellation of a run that is being undone already says so", async () => {
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

test("what a step has done whose answer is on its way when its run is cancelled is not left behind", async () => {
  const effects = new Set<string>();
  const definition = reactor("alone", { input }, (steps) => steps.step("book", book(effects)).returns(() => 1));
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("alone", 1, "k");
  await world.time.advance(500);
  const { reactors, ctx } = world.processes[0] as SimulatedProcess;
  await world.settled(reactors.cancel(ctx, runId, "enough"));
  await world.finish(runId);
  expect([...effects]).toEqual([]);
});

test("what a composed run has done that is told to end, since something beside it failed, is not left behind", async () => {
  const effects = new Set<string>();
  const child = reactor("child", { input, reversible: true }, (steps) =>
    steps.step("book", book(effects)).returns(() => 1),
  );
  const parent = reactor("parent", { input }, (steps) =>
    steps
      .compose("kid", child, { args: () => 1 })
      .step("bad", {
        run: async ({ runtime }): Promise<number> => {
          await sleep(rootContext(runtime), 500);
          throw new Error("no");
        },
      })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [parent] });
  await world.finish(await world.begin("parent", 1, "k"));
  expect([...effects]).toEqual([]);
});
