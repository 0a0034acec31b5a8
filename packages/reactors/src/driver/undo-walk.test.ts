// Where a run's events are so large that a page holds one, it is driven, ordered about and undone as any other.
import { shortPages } from "@viable/log/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "../reactor.ts";
import { simulateProcesses } from "../testing/simulate-processes.ts";

test.each([1, 3])("all that succeeded is undone, the last first, though pages end after %i events", async (events) => {
  const undone: string[] = [];
  const undo = (name: string) => () => void undone.push(name);
  const definition = reactor("trip", { input: z.unknown() }, (steps) =>
    steps
      .step("flight", { run: () => 1, undo: undo("flight") })
      .step("note", { after: ["flight"], run: () => 2 })
      .step("hotel", { after: ["note"], run: () => 3, undo: undo("hotel") })
      .step("car", { after: ["hotel"], run: () => 4, undo: undo("car") })
      .approval("pay", { after: ["car"], title: "May we?" })
      .returns(({ results }) => results.pay),
  );
  const world = await simulateProcesses({ seed: 1, processes: 0, definitions: [definition] });
  Object.assign(world.store, shortPages(world.store, events));
  const { ctx, reactors } = await world.start();
  const runId = await world.begin("trip", 1, "k");
  await world.time.advance(1_000);
  await world.settled(reactors.cancel(ctx, runId, "enough"));
  await world.finish(runId);
  expect(undone).toEqual(["car", "hotel", "flight"]);
});
