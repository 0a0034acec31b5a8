// That a map is done with when its elements are, however many of them have nothing in them.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const nested = (calls: string[]) =>
  reactor("nested", { input: z.strictObject({ lists: z.array(z.array(z.number())) }) }, (steps) =>
    steps
      .map("outer", { over: ({ input }) => input.lists }, (each) =>
        each
          .map("inner", { over: ({ element }) => element }, (one) =>
            one
              .step("touch", { args: ({ element }) => ({ n: element }), run: (_ctx, { n }) => n })
              .returns(({ results }) => results.touch),
          )
          .returns(({ results }) => results.inner),
      )
      .step("next", { after: ["outer"], run: () => calls.push("next") })
      .step("last", { after: ["next"], run: () => calls.push("last") })
      .returns(({ results }) => ({ outer: results.outer })),
  );

test("a map over lists that are empty does not end the run before what comes after it", async () => {
  const calls: string[] = [];
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [nested(calls)] });
  const runId = await world.begin("nested", { lists: [[], []] }, "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
  expect(calls).toEqual(["next", "last"]);
});

test("a map over ten thousand lists that are empty does not recurse once for each", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [nested([])] });
  const runId = await world.begin("nested", { lists: Array.from({ length: 10_000 }, () => []) }, "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed" });
});

test("each element counts once, whatever is done with as soon as it is ready", async () => {
  const definition = reactor("counts", { input: z.array(z.number()) }, (steps) =>
    steps
      .map("each", { over: ({ input }) => input, maxConcurrency: 2 }, (each) =>
        each
          .step("one", { args: ({ element }) => ({ n: element }), run: (_ctx, { n }) => n })
          .group("nothing", { after: ["one"] }, (group) => group.returns(() => 1))
          .returns(({ results }) => results.one),
      )
      .returns(({ results }) => ({ all: results.each })),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("counts", [1, 2, 3], "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.completed", data: { result: { all: [1, 2, 3] } } });
});
