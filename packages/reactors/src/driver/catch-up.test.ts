// What a driver makes of events that others have written: it reads them, though the database be away for a moment, and no more than them.
import { rootContext, sleep, ViableError } from "@viable/kernel";
import { storeUnavailable } from "@viable/log";
import { shortPages } from "@viable/log/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "../definition.ts";
import { reactor } from "../reactor.ts";
import type { StepContext } from "../step-context.ts";
import { describeEvent } from "../testing/describe-event.ts";
import type { ProcessWorld, SimulatedProcess } from "../testing/simulate-processes.ts";
import { simulateProcesses } from "../testing/simulate-processes.ts";

const input = z.unknown();
const rest = ({ runtime }: StepContext, ms: number) => sleep(rootContext(runtime), ms);
const lines = (world: ProcessWorld, runId: string) => world.history(runId).map(({ event }) => describeEvent(event));
const approvalsOf = (world: ProcessWorld, runId: string): string[] =>
  world
    .history(runId)
    .flatMap(({ event }) =>
      event.type === "step.waiting" && event.data.wait.for === "approval" ? [event.data.wait.approvalId] : [],
    );

/** A run that one process drives, whose reads go through `onRead`, while another one gives orders. */
async function driveApart(
  definition: ReactorDefinition,
  begunWith: number[],
  onRead: (events: number, world: ProcessWorld, runId: string) => void,
) {
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [definition] });
  const { readStream } = world.store;
  let runId = "";
  world.store.readStream = async (...args) => {
    const page = await readStream(...args);
    if (runId !== "") onRead(page.events.length, world, runId);
    return page;
  };
  await world.start();
  world.store.readStream = readStream;
  const other = await world.start();
  runId = await world.begin(definition.name, begunWith, "k");
  await world.time.advance(1_000);
  return { world, runId, other };
}

/** Fails the first read after an event of that type is durable. */
function failOnceAfter(type: string) {
  const failed = { times: 0 };
  const onRead = (_events: number, world: ProcessWorld, runId: string) => {
    if (failed.times > 0 || !world.history(runId).some(({ event }) => event.type === type)) return;
    failed.times += 1;
    throw new ViableError(storeUnavailable, "Away.", { retryable: true });
  };
  return { failed, onRead };
}

test("a step that is under way is not dropped where the news cannot be read for a moment", async () => {
  const definition = reactor("blip", { input }, (steps) =>
    steps
      .approval("ask", { title: "May we?" })
      .step("charge", { idempotent: false, run: (ctx) => rest(ctx, 10_000) })
      .returns(() => 1),
  );
  const { failed, onRead } = failOnceAfter("approval.decided");
  const { world, runId, other } = await driveApart(definition, [], onRead);
  for (const approvalId of approvalsOf(world, runId))
    await world.settled(other.reactors.decide(other.ctx, approvalId, { decision: "approved" }));
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
  expect([failed.times, world.calls.length]).toEqual([1, 1]);
});

test("nor is it left behind where the news is that the run was cancelled", async () => {
  const effects = new Set<string>();
  const definition = reactor("left", { input }, (steps) =>
    steps
      .step("slow", {
        run: async (ctx) => {
          effects.add("slow");
          await rest(ctx, 10_000);
        },
        undo: () => void effects.delete("slow"),
      })
      .returns(() => 1),
  );
  const { failed, onRead } = failOnceAfter("run.cancel_requested");
  const { world, runId, other } = await driveApart(definition, [], onRead);
  await world.settled(other.reactors.cancel(other.ctx, runId, "enough"));
  expect(await world.finish(runId)).toMatchObject({ type: "run.cancelled" });
  expect([failed.times, [...effects]]).toEqual([1, []]);
});

test("of a run that has come far only what is new is read", async () => {
  const definition = reactor("asks", { input: z.array(z.number()) }, (steps) =>
    steps
      .map("each", { over: ({ input }) => input, maxConcurrency: 100 }, (each) =>
        each.approval("ask", { title: "May we?" }).returns(() => 1),
      )
      .returns(() => 1),
  );
  let read = 0;
  const { world, runId, other } = await driveApart(
    definition,
    Array.from({ length: 50 }, (_, at) => at),
    (events) => {
      read += events;
    },
  );
  const approvals = approvalsOf(world, runId);
  for (const approvalId of approvals)
    await world.settled(other.reactors.decide(other.ctx, approvalId, { decision: "approved" }));
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
  expect([approvals.length, read]).toEqual([50, 50]);
});

test("what a step comes to while the news is read stands after it", async () => {
  const definition = reactor("beside", { input }, (steps) =>
    steps
      .approval("ask", { title: "May we?" })
      .step("beside", { run: (ctx) => rest(ctx, 5_000) })
      .step("then", { after: ["ask", "beside"], run: () => 2 })
      .returns(({ results }) => results.then),
  );
  let world: ProcessWorld | undefined;
  const reading = Promise.withResolvers<void>();
  const started = await simulateProcesses({ seed: 1, processes: 0, definitions: [definition] });
  const { readStream } = started.store;
  let isHeld = false;
  started.store.readStream = async (...args) => {
    const page = await readStream(...args);
    if (!isHeld && world?.history(world.runIds[0] ?? "").some(({ event }) => event.type === "approval.decided")) {
      isHeld = true;
      await reading.promise;
    }
    return page;
  };
  await started.start();
  started.store.readStream = readStream;
  const other = await started.start();
  world = started;
  const runId = await world.begin("beside", 1, "k");
  await world.time.advance(1_000);
  for (const approvalId of approvalsOf(world, runId))
    await world.settled(other.reactors.decide(other.ctx, approvalId, { decision: "approved" }));
  await world.time.advance(6_000);
  reading.resolve();
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed", data: { result: 2 } });
  expect(lines(world, runId)).toEqual([
    "run.started",
    "step.waiting ask for approval",
    "approval.decided approved by system",
    "step.succeeded beside",
    "step.succeeded then",
    "run.completed",
  ]);
});

test("a call is told of a cancellation also where a step had failed that was not durable yet", async () => {
  let isTold = false;
  const definition = reactor("told", { input }, (steps) =>
    steps
      .step("slow", {
        timeoutMs: 3_600_000,
        run: ({ signal }) =>
          new Promise<number>((resolve) =>
            signal.addEventListener("abort", () => {
              isTold = true;
              resolve(1);
            }),
          ),
      })
      .step("bad", {
        run: (): number => {
          throw new Error("no");
        },
      })
      .returns(() => 1),
  );
  let held: SimulatedProcess | undefined;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    fate: ({ process, when, what }) => {
      if (held !== undefined || when !== "before" || what !== "step.failed") return "go";
      held = process;
      return "pause";
    },
  });
  const runId = await world.begin("told", 1, "k");
  await world.time.until(() => held !== undefined);
  const other = world.running[0] as SimulatedProcess;
  await world.settled(other.reactors.cancel(other.ctx, runId, "enough"));
  await held?.resume();
  await world.time.advance(1_000);
  expect(isTold).toBe(true);
  expect(await world.finish(runId)).toMatchObject({ type: "run.cancelled" });
});

test("a run that goes on after all, since somebody was quicker than a failure, still ends by its deadline", async () => {
  const definition = reactor("late", { input, timeoutMs: 10_000 }, (steps) =>
    steps
      .approval("ask", { title: "May we?", args: () => ({ timeoutMs: 1_000 }) })
      .step("long", { run: ({ signal, runtime }) => sleep(rootContext(runtime, { signal }), 60_000) })
      .returns(() => 1),
  );
  let held: SimulatedProcess | undefined;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    maxLatencyMs: 50,
    fate: ({ process, when, what }) => {
      if (held !== undefined || when !== "before" || what !== "step.failed") return "go";
      held = process;
      return "pause";
    },
  });
  const beganMs = world.time.now();
  const runId = await world.begin("late", 1, "k");
  await world.time.until(() => held !== undefined);
  const other = world.running[0] as SimulatedProcess;
  for (const approvalId of approvalsOf(world, runId))
    expect(await world.settled(other.reactors.decide(other.ctx, approvalId, { decision: "approved" }))).toMatchObject({
      ok: true,
    });
  await held?.resume();
  expect(await world.finish(runId)).toMatchObject({ type: "run.failed" });
  const gaveUp = world.history(runId).find(({ event }) => event.type === "run.gave_up");
  expect((gaveUp?.atMs ?? Number.NaN) - beganMs).toBeLessThan(11_000);
});

const asks = reactor("asks", { input }, (steps) =>
  steps
    .approval("one", { title: "May we?" })
    .approval("other", { title: "Really?" })
    .returns(() => 1),
);

test("what others write while the run is read anew is not missed", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [asks] });
  const { readStream, commit } = world.store;
  const reading = Promise.withResolvers<void>();
  let isFirst = true;
  let held: Promise<void> | undefined;
  let heldReads = 0;
  world.store.commit = async (batch, now, follow) => {
    const types = batch.flatMap(({ streams }) => streams.flatMap(({ events }) => events.map(({ type }) => type)));
    // The next to read a stream is the driver, which has heard of the first decision.
    if (isFirst && types.includes("approval.decided")) {
      isFirst = false;
      held = reading.promise;
    }
    return await commit(batch, now, follow);
  };
  world.store.readStream = async (...args) => {
    const until = held;
    held = undefined;
    heldReads += until === undefined ? 0 : 1;
    const page = await readStream(...args);
    await until;
    return page;
  };
  const { ctx, reactors } = await world.start();
  const runId = await world.begin("asks", 1, "k");
  await world.time.advance(1_000);
  for (const approvalId of approvalsOf(world, runId))
    expect(await world.settled(reactors.decide(ctx, approvalId, { decision: "approved" }))).toMatchObject({ ok: true });
  expect(heldReads).toBe(1);
  reading.resolve();
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
});

test("what others wrote is read to its end where its pages end early, and nothing more is heard of", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [asks] });
  const { readStream } = world.store;
  Object.assign(world.store, { readStream: shortPages(world.store, 1).readStream });
  const driver = await world.start();
  Object.assign(world.store, { readStream });
  const other = await world.start();
  const runId = await world.begin("asks", 1, "k");
  await world.time.advance(1_000);
  driver.pause();
  for (const approvalId of approvalsOf(world, runId))
    await world.settled(other.reactors.decide(other.ctx, approvalId, { decision: "approved" }));
  await driver.resume();
  await world.time.advance(2_000);
  expect(world.history(runId).at(-1)?.event.type).toBe("run.completed");
});
