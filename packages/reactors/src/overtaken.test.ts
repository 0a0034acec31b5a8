// What a driver decides while an append is on its way, and somebody else writes first: it may turn out that the run goes on, or that it does not.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "./definition.ts";
import { reactor } from "./reactor.ts";
import type { StepContext } from "./step-context.ts";
import { describeEvent } from "./testing/describe-event.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const rest = ({ runtime }: StepContext, ms: number) => sleep(rootContext(runtime), ms);
const lines = (world: ProcessWorld, runId: string) => world.history(runId).map(({ event }) => describeEvent(event));

/** A run whose first append that tells of `what` is held up until the other process has written something. */
async function overtake(
  definition: ReactorDefinition,
  what: string,
  write: (other: SimulatedProcess, runId: string, world: ProcessWorld) => Promise<unknown>,
) {
  let held: SimulatedProcess | undefined;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    maxLatencyMs: 50,
    fate: (point) => {
      if (held !== undefined || point.when !== "before" || !point.what.includes(what)) return "go";
      held = point.process;
      return "pause";
    },
  });
  const runId = await world.begin(definition.name, 1, "k");
  await world.time.until(() => held !== undefined);
  const other = world.running[0] as SimulatedProcess;
  await world.settled(write(other, runId, world));
  await held?.resume();
  await world.finish(runId);
  return { world, runId };
}

const approve = async ({ reactors, ctx }: SimulatedProcess, runId: string, world: ProcessWorld) => {
  for (const { event } of world.history(runId))
    if (event.type === "step.waiting" && event.data.wait.for === "approval")
      await reactors.decide(ctx, event.data.wait.approvalId, { decision: "approved" });
};
const cancel = ({ reactors, ctx }: SimulatedProcess, runId: string) => reactors.cancel(ctx, runId, "enough");

test("a step that fails beside an approval whose time is up is tried again, where the approval was given first after all", async () => {
  const definition = reactor("asks", { input }, (steps) =>
    steps
      .approval("ask", { title: "May we?", args: () => ({ timeoutMs: 1_000 }) })
      .step("flaky", {
        retry: { maxAttempts: 2 },
        run: async (ctx) => {
          await rest(ctx, 1_001);
          if (ctx.attempt === 1) throw new Error("not yet");
          return 1;
        },
      })
      .returns(() => 1),
  );
  const { world, runId } = await overtake(definition, "step.failed", approve);
  expect(lines(world, runId).at(-1)).toBe("run.completed");
});

test("one that must not be done twice, and did not happen, is not skipped", async () => {
  const definition = reactor("asks", { input }, (steps) =>
    steps
      .approval("ask", { title: "May we?", args: () => ({ timeoutMs: 1_000 }) })
      .step("charge", {
        idempotent: false,
        timeoutMs: 1_001,
        findOutcome: () => undefined,
        run: ({ attempt, runtime }) =>
          attempt === 1 && runtime.clock.monotonicMs() < 1_000 ? new Promise<number>(() => {}) : 1,
      })
      .returns(({ results }) => results.charge),
  );
  const { world, runId } = await overtake(definition, "step.failed", approve);
  expect(lines(world, runId).filter((line) => line.includes("charge"))).not.toContain("step.skipped charge");
  expect(lines(world, runId).at(-1)).toBe("run.completed");
});

test("a composed run that ends beside it is begun anew, as its step says", async () => {
  const ends: (string | undefined)[] = [];
  for (let timeoutMs = 880; timeoutMs < 1_000; timeoutMs += 4) {
    const child = reactor("child", { input, timeoutMs }, (steps) =>
      steps.waitFor("go", { event: "go", args: () => ({ key: "k" }) }).returns(() => 1),
    );
    const definition = reactor("asks", { input }, (steps) =>
      steps
        .approval("ask", { title: "May we?", args: () => ({ timeoutMs: 1_000 }) })
        .compose("kid", child, { args: () => 1, onFailure: () => "restart" })
        .returns(() => 1),
    );
    const { world, runId } = await overtake(definition, "step.failed", async (other, asking, each) => {
      await approve(other, asking, each);
      await other.reactors.send(other.ctx, "go", "k", 1);
    });
    ends.push(lines(world, runId).at(-1));
  }
  expect(new Set(ends)).toEqual(new Set(["run.completed"]));
});

test("a run that was cancelled first composes no other", async () => {
  const child = reactor("child", { input }, (steps) => steps.step("c", { run: () => 1 }).returns(() => 1));
  const definition = reactor("composes", { input }, (steps) =>
    steps.compose("kid", child, { args: () => 1 }).returns(() => 1),
  );
  const { world, runId } = await overtake(definition, "step.waiting", cancel);
  expect(lines(world, runId).at(-1)).toBe("run.cancelled");
  expect(world.runIds).toEqual([runId]);
});

test("nor does a step in it begin that must not be done twice", async () => {
  const definition = reactor("charges", { input }, (steps) =>
    steps.step("charge", { idempotent: false, run: () => 1 }).returns(() => 1),
  );
  const { world, runId } = await overtake(definition, "step.started", cancel);
  expect(lines(world, runId)).toEqual(["run.started", "run.cancel_requested", "run.cancelled"]);
  expect(world.calls).toEqual([]);
});
