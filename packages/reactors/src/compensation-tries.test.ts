// That a compensation whose time is up is tried again, unless it must not be done twice.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();
const never = () => new Promise<void>(() => {});

const charge = (hangs: number, more: { idempotent?: false } = {}) =>
  reactor("charges", { input }, (steps) =>
    steps
      .step("charge", {
        ...more,
        timeoutMs: 1_000,
        run: (): number => {
          throw new Error("no");
        },
        compensate: ({ attempt }) => (attempt <= hangs ? never() : undefined),
      })
      .returns(() => 1),
  );

test("a compensation that did not end in its time is tried again", async () => {
  const run = await testReactor(charge(1), { input: 1 });
  expect([run.status, run.callLines]).toEqual([
    "failed",
    ["run charge", "compensate charge", "compensate charge, attempt 2"],
  ]);
});

test("five times, and then a person is asked", async () => {
  const run = await testReactor(charge(5), { input: 1 });
  expect([run.status, run.callLines.length]).toEqual(["needs_review", 1 + 5]);
});

test("one that must not be done twice is not tried again, since nobody knows whether it happened", async () => {
  const run = await testReactor(charge(1, { idempotent: false }), { input: 1 });
  expect([run.status, run.callLines]).toEqual(["needs_review", ["run charge", "compensate charge"]]);
});
