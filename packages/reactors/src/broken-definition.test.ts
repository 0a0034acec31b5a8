// That what throws as a run is carried on, for a defect of its definition or of ours, costs this run, which is parked and told of, and no other.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const child = reactor("child", { input }, (steps) =>
  steps
    .step("c", {
      run: (): number => {
        throw new Error("no");
      },
    })
    .returns(() => 1),
);
const composes = reactor("composes", { input }, (steps) =>
  steps.compose("kid", child, { args: () => 1, onFailure: () => "restart" }).returns(() => 1),
);
const naps = reactor("naps", { input }, (steps) =>
  steps.sleep("nap", { args: () => ({ forMs: 30_000 }) }).returns(() => 1),
);

/** Takes what it composes away from a definition, as no definition can be made. */
function breakIn({ reactors }: SimulatedProcess): void {
  for (const { name, children } of reactors.definitions)
    if (name === "composes") (children as Map<string, unknown>).clear();
}

test("as it begins", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [composes] });
  const [process] = world.processes as [SimulatedProcess];
  breakIn(process);
  const runId = await world.begin("composes", 1, "k");
  await world.time.advance(60_000);
  expect(world.history(runId).map(({ event }) => event.type)).toEqual(["run.started", "run.parked"]);
  expect(process.problems).toEqual([expect.stringMatching(`${runId}: It cannot be carried on: W8`)]);
  expect(process.reactors.stats()).toMatchObject({ active: 0, resting: 0 });
});

test("as it is woken: others that wait for their time are woken too", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [composes, naps] });
  const [process] = world.processes as [SimulatedProcess];
  const other = await world.begin("naps", 1, "other");
  const runId = await world.begin("composes", 1, "k");
  await world.time.until(() => world.history(runId).some(({ event }) => event.type === "step.failed"));
  breakIn(process);
  await world.time.advance(60_000);
  expect(world.history(runId).at(-1)?.event.type).toBe("run.parked");
  expect(world.history(other).at(-1)?.event.type).toBe("run.completed");
  expect(process.reactors.stats()).toMatchObject({ active: 0, resting: 0 });
});
