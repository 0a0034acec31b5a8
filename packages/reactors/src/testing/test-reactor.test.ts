// That a run under test is the engine's, in a world whose time passes as it is needed.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "../reactor.ts";
import { testReactor } from "./test-reactor.ts";

const trip = reactor("trip", { input: z.strictObject({ to: z.string() }) }, (steps) =>
  steps
    .step("book", {
      args: ({ input }) => ({ to: input.to }),
      run: (_ctx, { to }) => ({ ticket: `T-${to}` }),
      undo: () => {},
    })
    .sleep("rest", { after: ["book"], args: () => ({ forMs: 10 * 86_400_000 }) })
    .step("fly", { after: ["rest"], args: ({ results }) => ({ with: results.book.ticket }), run: () => 1 })
    .returns(({ results }) => ({ ticket: results.book.ticket })),
);

test("a sleep of ten days passes", async () => {
  const run = await testReactor(trip, { input: { to: "rome" } });
  expect(run).toMatchObject({ status: "completed", result: { ticket: "T-rome" }, elapsedMs: 864_000_000 });
  expect(run.lines).toEqual([
    "run.started",
    "step.succeeded book",
    "step.waiting rest for time",
    "step.succeeded rest",
    "step.succeeded fly",
    "run.completed",
  ]);
});
