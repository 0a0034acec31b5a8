// That a run which nobody had before is not taken for one that somebody has begun.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { createReactors } from "./reactors.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

test("nothing of it is done where it was cancelled before", async () => {
  const definition = reactor("charges", { input: z.unknown() }, (steps) =>
    steps.step("charge", { run: () => 1, undo: () => {} }).returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const { ctx, log, membership, reactors } = world.processes[0] as SimulatedProcess;
  await world.settled(reactors.stop(ctx));
  // Runs begin in it, and it carries none on.
  const front = createReactors({ log, runtime: ctx.runtime, membership, definitions: [definition] });
  const begun = await world.settled(front.begin(ctx, "charges", 1));
  const runId = begun.ok ? begun.runId : "";
  expect(await world.settled(front.cancel(ctx, runId, "enough"))).toEqual({ ok: true });
  await world.start();
  expect(await world.finish(runId)).toMatchObject({ type: "run.cancelled" });
  expect(world.calls).toEqual([]);
});
