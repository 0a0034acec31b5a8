// That a run is undone by somebody's word where its reactor is declared so, whoever is asked.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

test("a process that does not have the run's definition refuses, since it cannot know", async () => {
  const definition = reactor("charges", { input: z.unknown() }, (steps) =>
    steps.step("charge", { run: () => 1, undo: () => {} }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("charges", 1, "k");
  await world.finish(runId);
  const [one] = world.processes as [SimulatedProcess];
  const other = await world.start([]);
  expect([
    await world.settled(one.reactors.undo(one.ctx, runId, "enough")),
    await world.settled(other.reactors.undo(other.ctx, runId, "enough")),
  ]).toEqual([
    { ok: false, reason: expect.stringContaining("not declared reversible") },
    { ok: false, reason: expect.stringContaining("is not here") },
  ]);
  await world.time.advance(30_000);
  expect(world.history(runId).at(-1)?.event.type).toBe("run.completed");
});
