// That a run is not marked as one that waits where more had become possible before the mark was written: nobody would look after it.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "../reactor.ts";
import type { SimulatedProcess } from "../testing/simulate-processes.ts";
import { simulateProcesses } from "../testing/simulate-processes.ts";

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
  expect(world.calls.filter(({ step }) => step === "slow").map(({ process }) => process)).toEqual([
    "process 1",
    "process 2",
  ]);
});
