// That what a step comes to fits the log, or the step fails.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();

test.for([
  ["control characters, each of which takes six", () => "\u0000".repeat(4 * 1024 * 1024 - 10)],
  ["numbers of twenty digits", () => Array.from({ length: 500_000 }, (_, n) => Math.sin(n) / 1e7)],
] as const)("a result is counted as the log counts it: %s", async ([, run]) => {
  const definition = reactor("large", { input }, (steps) =>
    steps.step("a", { run: run as () => unknown }).returns(() => 1),
  );
  expect(await testReactor(definition, { input: 1 })).toMatchObject({ error: { code: "reactor.invalid_result" } });
});

test("the arguments that are kept for its undo fit one append with the result, or the step fails", async () => {
  const definition = reactor("large", { input: z.string() }, (steps) =>
    steps
      .step("a", { args: ({ input }) => ({ input }), run: (_ctx, args) => args.input, undo: () => {} })
      .returns(() => 1),
  );
  expect(await testReactor(definition, { input: "x".repeat(4 * 1024 * 1024 - 20) })).toMatchObject({
    status: "failed",
    error: { code: "reactor.invalid_argument" },
  });
});
