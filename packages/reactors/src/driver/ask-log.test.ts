// That what the log cannot answer now is asked again, and that what users' functions make of an answer is the step's outcome, whatever they throw.
import { rootContext, sleep, ViableError } from "@viable/kernel";
import { storeNoSpace, storeRefused } from "@viable/log";
import { expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "../definition.ts";
import { reactor } from "../reactor.ts";
import { describeEvent } from "../testing/describe-event.ts";
import type { ProcessWorld, SimulatedProcess } from "../testing/simulate-processes.ts";
import { simulateProcesses } from "../testing/simulate-processes.ts";

const input = z.unknown();
const rest = (ctx: { runtime: SimulatedProcess["ctx"]["runtime"] }, ms: number) => sleep(rootContext(ctx.runtime), ms);
const lines = (world: ProcessWorld, runId: string) => world.history(runId).map(({ event }) => describeEvent(event));
const fails = (): number => {
  throw new Error("no");
};
const busy = () => {
  throw new ViableError("my.busy", "Busy.", { retryable: true });
};

/** A world of one process, whose store refuses appends that hold an event of that type, as often as it is told. */
async function refusing(definition: ReactorDefinition, type: string, times: number, error: ViableError) {
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [definition] });
  const { commit } = world.store;
  const refused = { times: 0 };
  world.store.commit = async (batch, now, follow) => {
    const types = batch.flatMap(({ streams }) => streams.flatMap(({ events }) => events.map((event) => event.type)));
    if (refused.times < times && types.includes(type)) {
      refused.times += 1;
      throw error;
    }
    return await commit(batch, now, follow);
  };
  const process = await world.start();
  return { world, process, refused };
}

test("a composed run is told to end once there is room on the disk again, and is waited for until then", async () => {
  const child = reactor("child", { input }, (steps) =>
    steps.step("c", { run: (ctx) => rest(ctx, 20_000) }).returns(() => 1),
  );
  const definition = reactor("parent", { input }, (steps) =>
    steps
      .compose("kid", child, { args: () => 1 })
      .step("bad", {
        run: async (ctx): Promise<number> => {
          await rest(ctx, 1_000);
          throw new Error("no");
        },
      })
      .returns(() => 1),
  );
  const full = new ViableError(storeNoSpace, "Full.");
  const { world, refused } = await refusing(definition, "run.cancel_requested", 3, full);
  const runId = await world.begin("parent", 1, "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.failed" });
  const [, childId] = world.runIds;
  expect([refused.times, lines(world, childId as string).at(-1)]).toEqual([3, "run.cancelled"]);
});

test("a wait is not over because the log's store refused a question about it", async () => {
  const definition = reactor("waits", { input }, (steps) =>
    steps.waitFor("paid", { event: "paid", args: () => ({ key: "k" }) }).returns(({ results }) => results.paid),
  );
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [definition] });
  const { readStream } = world.store;
  let refused = 0;
  world.store.readStream = async (...args) => {
    if (args[0].includes("paid") && refused++ < 2) throw new ViableError(storeRefused, "Refused.");
    return await readStream(...args);
  };
  const { reactors, ctx } = await world.start();
  const runId = await world.begin("waits", 1, "k");
  await world.time.advance(10_000);
  await world.settled(reactors.send(ctx, "paid", "k", 5));
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed", data: { result: 5 } });
  expect(refused).toBeGreaterThan(2);
});

test("that a composed run could not be told to be undone while the disk was full is no try of its undo", async () => {
  const child = reactor("child", { input, reversible: true }, (steps) =>
    steps.step("c", { run: () => 1, undo: () => {} }).returns(() => 1),
  );
  const definition = reactor("parent", { input }, (steps) =>
    steps
      .compose("kid", child, { args: () => 1, undo: true })
      .step("bad", { after: ["kid"], run: fails })
      .returns(() => 1),
  );
  const full = new ViableError(storeNoSpace, "Full.");
  const { world, refused } = await refusing(definition, "run.undo_requested", 7, full);
  const runId = await world.begin("parent", 1, "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.compensated" });
  expect([refused.times, lines(world, runId).filter((line) => line.startsWith("step.undo_failed"))]).toEqual([7, []]);
});

test("an onFailure that throws what is worth another try fails its step", async () => {
  const child = reactor("child", { input }, (steps) => steps.step("c", { run: fails }).returns(() => 1));
  const definition = reactor("parent", { input }, (steps) =>
    steps.compose("kid", child, { args: () => 1, onFailure: busy }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("parent", 1, "k");
  await world.time.advance(60_000);
  expect(lines(world, runId).slice(-2)).toEqual(["step.failed kid, attempt 1: my.busy", "run.failed: my.busy"]);
});

test("so does a payload's judge", async () => {
  const definition = reactor("waits", { input }, (steps) =>
    steps
      .waitFor("paid", { event: "paid", args: () => ({ key: "k" }), payload: z.number().refine(busy) })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("waits", 1, "k");
  const { reactors, ctx } = world.processes[0] as SimulatedProcess;
  await world.settled(reactors.send(ctx, "paid", "k", 5));
  await world.time.advance(60_000);
  expect(lines(world, runId).slice(-2)).toEqual(["step.failed paid, attempt 1: my.busy", "run.failed: my.busy"]);
});

test("two steps that wait for the same take one event each", async () => {
  const definition = reactor("waits", { input }, (steps) =>
    steps
      .waitFor("one", { event: "paid", args: () => ({ key: "k" }) })
      .waitFor("other", { event: "paid", args: () => ({ key: "k" }) })
      .returns(({ results }) => [results.one, results.other]),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("waits", 1, "k");
  const { reactors, ctx } = world.processes[0] as SimulatedProcess;
  await world.time.advance(100);
  for (const payload of [5, 6]) await world.settled(reactors.send(ctx, "paid", "k", payload));
  const ended = await world.finish(runId);
  expect(ended.type === "run.completed" && [...(ended.data.result as number[])].sort()).toEqual([5, 6]);
});

test("a composed reactor whose input's schema throws fails its step", async () => {
  const trap = z.unknown().refine(() => {
    throw new TypeError("user code");
  });
  const child = reactor("child", { input: trap }, (steps) => steps.step("c", { run: () => 1 }).returns(() => 1));
  const definition = reactor("parent", { input }, (steps) =>
    steps.compose("kid", child, { args: () => 1 }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("parent", 1, "k");
  await world.time.advance(60_000);
  expect(lines(world, runId).slice(1)).toEqual([
    "step.failed kid, attempt 1: reactor.invalid_input",
    "run.failed: reactor.invalid_input",
  ]);
});
