// That a process keeps nothing of a run that it has lost.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

test("also where it finds that out as it was about to clear up after the run's failure", async () => {
  const child = reactor("child", { input: z.unknown() }, (steps) =>
    steps.step("c", { run: (ctx) => sleep(rootContext(ctx.runtime), 500) }).returns(() => 1),
  );
  const definition = reactor("parent", { input: z.unknown() }, (steps) =>
    steps
      .compose("kid", child, { args: () => 1 })
      .step("bad", {
        run: async (ctx): Promise<number> => {
          await sleep(rootContext(ctx.runtime), 100);
          throw new Error("no");
        },
      })
      .returns(() => 1),
  );
  let isFirst = true;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    fate: ({ when, what }) => {
      if (!isFirst || when !== "after" || !what.includes("step.failed")) return "go";
      isFirst = false;
      return "pause";
    },
  });
  await world.finish(await world.begin("parent", 1, "k"));
  expect(world.faults).toHaveLength(1);
  expect(world.processes.map(({ reactors }) => [reactors.stats().active, reactors.stats().resting])).toEqual([
    [0, 0],
    [0, 0],
  ]);
});
