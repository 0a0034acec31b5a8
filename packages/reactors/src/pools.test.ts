import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();
const fails = (): number => {
  throw new Error("no");
};

test("a step that waits for its turn in a pool does not begin once the run fails", async () => {
  const definition = reactor("pooled", { input }, (steps) =>
    steps
      .step("long", { pool: "p", run: (ctx) => sleep(rootContext(ctx.runtime), 1_000) })
      .step("queued", { pool: "p", run: () => 1 })
      .step("bad", { run: fails })
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: 1, pools: { p: 1 } });
  expect(run.callLines).toEqual(["run long", "run bad"]);
});

test("a process that loses a run while it records that a once-only step begins gives back the step's place in its pool", async () => {
  const definition = reactor("pooled", { input }, (steps) =>
    steps
      .step("charge", { pool: "narrow", idempotent: false, findOutcome: () => ({ result: 1 }), run: () => 1 })
      .returns(({ results }) => results.charge),
  );
  let isFirst = true;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    pools: { narrow: 1 },
    fate: ({ when, what }) => {
      if (!isFirst || when !== "before" || what !== "step.started") return "go";
      isFirst = false;
      return "pause";
    },
  });
  await world.finish(await world.begin("pooled", 1, "k"));
  expect(world.processes.map(({ state, reactors }) => [state, reactors.stats().pools.narrow?.used])).toEqual([
    ["running", 0],
    ["running", 0],
  ]);
});
