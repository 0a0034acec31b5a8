// That a run is known by its key.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

test("under one key, the same input in another order of its members is the same input", async () => {
  const definition = reactor("amounts", { input: z.record(z.string(), z.number()) }, (steps) =>
    steps.step("one", { run: () => 1 }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("amounts", { a: 1, b: 2 }, "k");
  expect(await world.begin("amounts", { b: 2, a: 1 }, "k")).toBe(runId);
});
