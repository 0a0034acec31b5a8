// That a person is asked one thing at a time, and about each: what else there is to ask waits for the answer.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "../reactor.ts";
import type { StepContext } from "../step-context.ts";
import { testReactor } from "../testing/test-reactor.ts";

const input = z.unknown();
const rest = ({ runtime }: StepContext, ms: number) => sleep(rootContext(runtime), ms);
const fails = (): number => {
  throw new Error("no");
};
const asked = (lines: readonly string[]) => lines.filter((line) => line.startsWith("run.needs_review"));

test("what a person says of one step is not taken for the outcome of another", async () => {
  const once = (asksForMs: number) => ({
    idempotent: false as const,
    timeoutMs: 1_000,
    run: () => new Promise<string>(() => {}),
    findOutcome: async (ctx: StepContext): Promise<undefined> => {
      await rest(ctx, asksForMs);
      throw new Error("cannot say");
    },
  });
  const definition = reactor("charges", { input }, (steps) =>
    steps
      .step("a", once(100))
      .step("b", once(500))
      .returns(({ results }) => [results.a, results.b]),
  );
  const run = await testReactor(definition, { input: 1 });
  const reason = "it was ended before it answered, and must not be done twice";
  expect(asked(run.lines)).toEqual([`run.needs_review a (run): ${reason}`]);
  await run.review("done", { result: "a's receipt" });
  expect(asked(run.lines).slice(1)).toEqual([`run.needs_review b (run): ${reason}`]);
  await run.review("done", { result: "b's receipt" });
  expect(run.result).toEqual(["a's receipt", "b's receipt"]);
});

test("a compensation that came to its end while a person was asked about another is not tried anew", async () => {
  const tries = { a: 0, b: 0 };
  const definition = reactor("compensates", { input }, (steps) =>
    steps
      .step("a", {
        run: fails,
        compensate: () => {
          tries.a += 1;
          fails();
        },
      })
      .step("b", {
        run: fails,
        compensate: async (ctx) => {
          tries.b += 1;
          await rest(ctx, 5_000);
          fails();
        },
      })
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: 1 });
  await run.review("failed");
  expect(asked(run.lines)).toEqual([
    "run.needs_review a (compensate): its compensation failed",
    "run.needs_review b (compensate): its compensation failed",
  ]);
  await run.review("failed");
  expect([run.status, tries]).toEqual(["failed", { a: 5, b: 5 }]);
});
