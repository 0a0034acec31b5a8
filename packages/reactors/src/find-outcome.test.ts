// That a step that must not be done twice is tried as often as it says, also where it never ends and is found not to have happened; and that one which
// has happened is not forgotten because what it came to cannot be kept.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { testReactor } from "./testing/test-reactor.ts";

const definition = (hangs: number) =>
  reactor("charges", { input: z.unknown() }, (steps) =>
    steps
      .step("charge", {
        idempotent: false,
        timeoutMs: 1_000,
        retry: { maxAttempts: 3 },
        run: ({ attempt }) => (attempt <= hangs ? new Promise<number>(() => {}) : attempt),
        findOutcome: () => undefined,
      })
      .returns(({ results }) => results.charge),
  );
const attempts = ["", ", attempt 2", ", attempt 3"].map((which) => [
  `run charge${which}`,
  `findOutcome charge${which}`,
]);

test("a step that is found not to have happened in its time is tried again", async () => {
  const run = await testReactor(definition(2), { input: 1 });
  expect([run.result, run.callLines]).toEqual([3, attempts.flat().slice(0, -1)]);
});

test("no more often than it says", async () => {
  const run = await testReactor(definition(Number.POSITIVE_INFINITY), { input: 1 });
  expect([run.status, run.callLines]).toEqual(["failed", attempts.flat()]);
});

const returnsADate = (more: { findOutcome?: () => { result: { at: string } } | undefined } = {}) => {
  const world = { charged: 0 };
  const definition = reactor("charges", { input: z.unknown() }, (steps) =>
    steps
      .step("charge", {
        idempotent: false,
        run: () => {
          world.charged += 1;
          return { at: new Date(0) as unknown as string };
        },
        undo: () => {
          world.charged -= 1;
        },
        ...more,
      })
      .step("bad", {
        after: ["charge"],
        run: (): number => {
          throw new Error("no");
        },
      })
      .returns(() => 1),
  );
  return { world, definition };
};

test("what came to something that cannot be kept has happened: it is found out, and undone", async () => {
  const { world, definition } = returnsADate({ findOutcome: () => ({ result: { at: "then" } }) });
  const run = await testReactor(definition, { input: 1 });
  expect(run.callLines).toEqual(["run charge", "findOutcome charge", "run bad", "undo charge"]);
  expect([run.status, world.charged]).toEqual(["compensated", 0]);
});

test("where it cannot be found out a person is asked, and told why", async () => {
  const { world, definition } = returnsADate();
  const run = await testReactor(definition, { input: 1 });
  expect(run.lines.at(-1)).toMatch(/^run.needs_review charge \(run\): it has answered what cannot be kept/);
  expect(run.error).toMatchObject({ code: "reactor.invalid_result" });
  await run.review("done", { result: { at: "then" } });
  expect([run.status, world.charged]).toEqual(["compensated", 0]);
});

test("where it is found not to have happened after all, it has failed", async () => {
  const { definition } = returnsADate({ findOutcome: () => undefined });
  const run = await testReactor(definition, { input: 1 });
  expect(run).toMatchObject({ status: "failed", error: { code: "reactor.invalid_result" } });
});
