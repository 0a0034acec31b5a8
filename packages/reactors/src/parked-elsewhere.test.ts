// That a run which its process cannot carry on is carried on by one that can, and does not wait until the first one is gone.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { describeEvent } from "./testing/describe-event.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();

test("though the first one lives and its claim holds", async () => {
  const child = reactor("child", { input }, (steps) => steps.step("c", { run: () => 1 }).returns(() => 1));
  const definition = reactor("composes", { input }, (steps) =>
    steps.compose("kid", child, { args: () => 1 }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 2, definitions: [definition] });
  const [one, two] = world.processes as [SimulatedProcess, SimulatedProcess];
  // As no definition can be made: this process comes to a defect where the other does not.
  for (const { name, children } of one.reactors.definitions)
    if (name === "composes") (children as Map<string, unknown>).clear();
  const runId = await world.begin("composes", 1, "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
  expect(world.history(runId).map(({ event }) => describeEvent(event).split(" ")[0])).toEqual([
    "run.started",
    "run.parked",
    "run.claimed",
    "step.waiting",
    "step.succeeded",
    "run.completed",
  ]);
  expect(one.membership.isGone(one.membership.processId, one.membership.epoch)).toBe(false);
  expect(two.reactors.stats()).toMatchObject({ open: 0 });
});
