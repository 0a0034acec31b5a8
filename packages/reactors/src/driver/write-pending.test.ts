// That a run is not marked as one that waits where more had become possible before the mark was written: nobody would look after it.
import { rootContext, sleep } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "../reactor.ts";
import type { ProcessWorld, SimulatedProcess } from "../testing/simulate-processes.ts";
import { simulateProcesses } from "../testing/simulate-processes.ts";

const hourMs = 3_600_000;
const callsOf = (world: ProcessWorld, of: string) =>
  world.calls.filter(({ step }) => step === of).map(({ process }) => process);

test("a run whose last wait was written after somebody's decision is taken over like others", async () => {
  const definition = reactor("waits", { input: z.unknown() }, (steps) =>
    steps
      .approval("first", { title: "May we?", args: () => ({}) })
      .step("before", { run: (ctx) => sleep(rootContext(ctx.runtime), 1_000) })
      .approval("second", { title: "Really?", after: ["before"], args: () => ({ timeoutMs: 600_000 }) })
      .step("slow", { after: ["first"], run: (ctx) => sleep(rootContext(ctx.runtime), 20_000) })
      .returns(() => 1),
  );
  let held: SimulatedProcess | undefined;
  let waits = 0;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    maxLatencyMs: 50,
    fate: ({ process, when, what }) => {
      if (when !== "before" || what !== "step.waiting" || ++waits !== 2) return "go";
      held = process;
      return "pause";
    },
  });
  const runId = await world.begin("waits", 1, "k");
  await world.time.until(() => held !== undefined);
  const other = world.running[0] as SimulatedProcess;
  const [asked] = world
    .history(runId)
    .flatMap(({ event }) =>
      event.type === "step.waiting" && event.data.wait.for === "approval" ? [event.data.wait.approvalId] : [],
    );
  await world.settled(other.reactors.decide(other.ctx, asked as string, { decision: "approved" }));
  await held?.resume();
  await world.time.advance(1_500);
  held?.kill();
  await world.time.advance(60_000);
  expect(callsOf(world, "slow")).toEqual(["process 1", "process 2"]);
});

describe("a run that composes", () => {
  const child = reactor("child", { input: z.unknown() }, (steps) =>
    steps.sleep("nap", { args: () => ({ forMs: 1_000 }) }).returns(() => 1),
  );

  test("and whose last wait was written as the other run ended is taken over like others", async () => {
    const definition = reactor("parent", { input: z.unknown() }, (steps) =>
      steps
        .compose("kid", child, { args: () => 1 })
        .step("slow", { after: ["kid"], run: (ctx) => sleep(rootContext(ctx.runtime), 20_000) })
        .sleep("nap", { args: () => ({ forMs: 1_000 }) })
        .approval("ask", { title: "May we?", after: ["nap"] })
        .returns(() => 1),
    );
    const recorded: string[] = [];
    const world = await simulateProcesses({
      seed: 3,
      definitions: [definition],
      maxLatencyMs: 20,
      onRecorded: (_, { event: { type, data } }) => void recorded.push("step" in data ? `${type} ${data.step}` : type),
    });
    await world.begin("parent", 1, "k");
    await world.time.until(() => callsOf(world, "slow").length > 0);
    expect(recorded.slice(-3)).toEqual(["run.completed", "step.waiting ask", "step.succeeded kid"]);
    world.processes[0]?.kill();
    await world.time.advance(60_000);
    expect(callsOf(world, "slow")).toEqual(["process 1", "process 2"]);
  });

  test("and waits for nothing else is left alone until the other run has ended", async () => {
    const long = reactor("long", { input: z.unknown() }, (steps) =>
      steps.sleep("nap", { args: () => ({ forMs: hourMs }) }).returns(() => 1),
    );
    const definition = reactor("parent", { input: z.unknown() }, (steps) =>
      steps.compose("kid", long, { args: () => 1 }).returns(() => 1),
    );
    const world = await simulateProcesses({ seed: 1, definitions: [definition] });
    const runId = await world.begin("parent", 1, "k");
    await world.time.advance(1_000);
    world.processes[0]?.kill();
    await world.time.advance(hourMs / 2);
    expect(world.history(runId).map(({ event }) => event.type)).toEqual(["run.started", "step.waiting"]);
    await world.time.advance(hourMs / 2 + 10_000);
    expect(world.history(runId).at(-1)?.event.type).toBe("run.completed");
  });
});
