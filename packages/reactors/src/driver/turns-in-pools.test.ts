// That nothing begins once its run goes no further, and that however many wait for their turn, giving it up costs one step each.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { Pools } from "../pools.ts";
import { reactor } from "../reactor.ts";
import type { StepContext } from "../step-context.ts";
import { testReactor } from "../testing/test-reactor.ts";

const input = z.array(z.number());
const rest = ({ runtime }: StepContext, ms: number) => sleep(rootContext(runtime), ms);
const failsLater = async (ctx: StepContext): Promise<number> => {
  await rest(ctx, 10);
  throw new Error("no");
};
const many = Array.from({ length: 5_000 }, (_, at) => at);

test("five thousand steps that wait for a place give it up at once when a step beside them fails", async () => {
  const definition = reactor("many", { input, maxConcurrency: 10_000 }, (steps) =>
    steps
      .map("each", { over: ({ input }) => input, maxConcurrency: 10_000 }, (each) =>
        each.step("one", { pool: "p", run: (ctx) => rest(ctx, 1_000) }).returns(() => 1),
      )
      .step("bad", { run: failsLater })
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: many, pools: { p: 1 } });
  expect([run.status, run.callLines]).toEqual(["failed", ["run each[0]/one", "run bad"]]);
});

test("a step that has waited for the place of the one that failed does not begin", async () => {
  const definition = reactor("pooled", { input, maxConcurrency: 10_000 }, (steps) =>
    steps
      .step("bad", { pool: "p", run: failsLater })
      .map("each", { over: ({ input }) => input, maxConcurrency: 10_000 }, (each) =>
        each.step("one", { pool: "p", run: () => 1 }).returns(() => 1),
      )
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: many, pools: { p: 1 } });
  expect([run.status, run.callLines]).toEqual(["failed", ["run bad"]]);
});

test("nor does one that waits for its turn in the run", async () => {
  const definition = reactor("narrow", { input, maxConcurrency: 1 }, (steps) =>
    steps
      .step("bad", { run: failsLater })
      .step("other", { run: () => 1 })
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: [] });
  expect([run.status, run.callLines]).toEqual(["failed", ["run bad"]]);
});

test("a place that is given back as soon as it was given goes on to the next, however many give it back", () => {
  const pools = new Pools({ narrow: 1 });
  pools.enter("narrow", () => {});
  const told: number[] = [];
  for (const at of many)
    pools.enter("narrow", () => {
      told.push(at);
      pools.leave("narrow");
    });
  pools.leave("narrow");
  expect(told).toEqual(many);
  expect(pools.stats().narrow).toEqual({ size: 1, used: 0, waiting: 0 });
});
