// That a person's word answers what the person was asked, and not what is asked by the time it is written.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { describeEvent } from "./testing/describe-event.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const cannot = () => {
  throw new Error("cannot");
};

test("a word that was held up on its way is not taken for the answer to the next question", async () => {
  const definition = reactor("asks-twice", { input: z.unknown() }, (steps) =>
    steps
      .step("first", { run: () => 1, undo: cannot })
      .step("second", { after: ["first"], run: () => 1, undo: cannot })
      .step("bad", { after: ["second"], run: cannot })
      .returns(() => 1),
  );
  let held: SimulatedProcess | undefined;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    fate: ({ process, when, what }) => {
      if (held !== undefined || when !== "before" || what !== "run.reviewed") return "go";
      held = process;
      return "pause";
    },
  });
  const runId = await world.begin("asks-twice", 1, "k");
  await world.finish(runId);
  const [one, two] = world.processes as [SimulatedProcess, SimulatedProcess];
  const late = one.reactors.review(one.ctx, runId, { decision: "done" });
  await world.time.until(() => held !== undefined);
  await world.settled(two.reactors.review(two.ctx, runId, { decision: "done" }));
  // The other process takes the run, and comes to the next question.
  await world.finish(runId);
  expect(await world.settled(late)).toMatchObject({ ok: false });
  expect(
    world
      .history(runId)
      .map(({ event }) => describeEvent(event))
      .slice(-1),
  ).toEqual(["run.needs_review first (undo): it could not be undone"]);
});
