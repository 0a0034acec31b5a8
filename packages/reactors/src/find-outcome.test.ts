// That a step that must not be done twice is tried as often as it says, also where it never ends and is found not to have happened.
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
