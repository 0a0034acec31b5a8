// That a run which goes no further waits for nothing that need not be: neither for what a person once wanted, nor to try again what failed.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { describeEvent } from "./testing/describe-event.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();
const never = () => new Promise<number>(() => {});
const hourMs = 3_600_000;
const retry = { maxAttempts: 5, baseMs: 20 * hourMs, maxMs: 20 * hourMs };
const lines = (world: ProcessWorld, runId: string) => world.history(runId).map(({ event }) => describeEvent(event));

/** One that composes a run which fails at first, and then waits for what never comes. */
function composes(timeoutMs?: number) {
  let tries = 0;
  const child = reactor("child", { input }, (steps) =>
    steps
      .step("maybe", {
        run: () => {
          if (tries++ === 0) throw new Error("no");
          return 1;
        },
      })
      .waitFor("word", { event: "never.comes", after: ["maybe"] })
      .returns(() => 1),
  );
  return reactor("parent", { input, ...(timeoutMs !== undefined && { timeoutMs }) }, (steps) =>
    steps.compose("kid", child, { args: () => 1, onFailure: () => "review" }).returns(() => 1),
  );
}

test("a composed run that a person wanted again is told to end when its parent is cancelled", async () => {
  const run = await testReactor(composes(), { input: 1 });
  await run.review("retry");
  await run.cancel();
  expect([run.status, run.children.map(({ status }) => status)]).toEqual(["cancelled", ["failed", "cancelled"]]);
});

test("and when its parent's time is up", async () => {
  const run = await testReactor(composes(hourMs), { input: 1 });
  await run.review("retry");
  await run.advance(2 * hourMs);
  expect([run.status, run.children.map(({ status }) => status)]).toEqual(["failed", ["failed", "cancelled"]]);
});

test("it is not begun again where its parent was cancelled before the person said so", async () => {
  const run = await testReactor(composes(), { input: 1 });
  await run.cancel();
  await run.review("retry");
  expect([run.status, run.children.map(({ status }) => status)]).toEqual(["cancelled", ["failed"]]);
});

test("what a person wanted again, and failed, is not called once more when the run is cancelled", async () => {
  let calls = 0;
  const definition = reactor("charges", { input }, (steps) =>
    steps
      .step("charge", {
        idempotent: false,
        timeoutMs: 1_000,
        retry,
        run: () => {
          if (++calls === 1) return never();
          throw new Error("no");
        },
        undo: () => {},
      })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const { reactors, ctx } = world.processes[0] as SimulatedProcess;
  const runId = await world.begin("charges", 1, "k");
  await world.time.advance(5_000);
  await world.settled(reactors.review(ctx, runId, { decision: "retry" }));
  await world.time.advance(5_000);
  expect(lines(world, runId).at(-1)).toBe("step.failed charge, attempt 1: no, again later");
  await world.settled(reactors.cancel(ctx, runId, "enough"));
  await world.time.advance(5_000);
  expect([calls, lines(world, runId).at(-1)]).toEqual([2, "run.cancelled"]);
});

/** A run whose first process died in its first attempt, and whose second failed in its own; then it is cancelled. */
async function cancelLeftBehind(idempotent: boolean) {
  const calls: string[] = [];
  const definition = reactor("books", { input }, (steps) =>
    steps
      .step("book", {
        idempotent,
        retry,
        run: () => {
          calls.push("run");
          throw new Error("no");
        },
        undo: () => void calls.push("undo"),
        ...(!idempotent && { findOutcome: () => undefined }),
      })
      .returns(() => 1),
  );
  let isFirst = true;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    fate: ({ kind, when }) => {
      if (!isFirst || kind !== "effect" || when !== "before") return "go";
      isFirst = false;
      return "kill";
    },
  });
  const runId = await world.begin("books", 1, "k");
  await world.time.until(() => lines(world, runId).at(-1)?.endsWith("again later") ?? false, 120_000);
  const { reactors, ctx } = world.running[0] as SimulatedProcess;
  await world.settled(reactors.cancel(ctx, runId, "enough"));
  await world.time.advance(5_000);
  return { calls, last: lines(world, runId).at(-1) };
}

test("what somebody else may have done is done once more at once, and not when it was to be tried again", async () => {
  expect(await cancelLeftBehind(true)).toEqual({ calls: ["run", "run"], last: "run.cancelled" });
});

test("but not what must not be done twice, of which is known that it failed", async () => {
  expect(await cancelLeftBehind(false)).toEqual({ calls: ["run"], last: "run.cancelled" });
});
