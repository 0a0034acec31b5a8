// That what a step did whose process died is not left behind, where its run is ended just after another process has taken it.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

test("it is done once more though the run is cancelled meanwhile, and then undone", async () => {
  const effects = new Set<string>();
  const definition = reactor("books", { input: z.unknown() }, (steps) =>
    steps
      .step("book", {
        run: async ({ runtime, signal }) => {
          await sleep(rootContext(runtime, { signal }), 1_000);
          return effects.add("book").size;
        },
        undo: () => void effects.delete("book"),
      })
      .returns(() => 1),
  );
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    fate: ({ when, what, process }) =>
      when === "after" && what === "run book" && process.name === "process 1" ? "kill" : "go",
  });
  const runId = await world.begin("books", 1, "k");
  await world.time.until(() => world.history(runId).some(({ event }) => event.type === "run.claimed"), 120_000);
  await world.time.advance(500);
  const { reactors, ctx } = world.running[0] as SimulatedProcess;
  await world.settled(reactors.cancel(ctx, runId, "enough"));
  await world.finish(runId);
  expect([...effects]).toEqual([]);
});
