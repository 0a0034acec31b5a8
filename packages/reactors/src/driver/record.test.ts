// That what comes about together is written by as many appends as it takes, however large it is: a run is parked for none of it.
import { ViableError } from "@viable/kernel";
import { maxAppendChars } from "@viable/log";
import type { RunEvent } from "@viable/protocol";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "../reactor.ts";
import type { Scope } from "../step-settings.ts";
import type { Steps } from "../steps.ts";
import { testReactor } from "../testing/test-reactor.ts";

const input = z.unknown();
/** What of an event counts for the log's bound of an append. */
const charsOf = (events: readonly RunEvent[]): number =>
  events.reduce((chars, { data }) => chars + JSON.stringify(data).length, 0);

test("approvals that are asked for side by side, each with as much as it may tell", async () => {
  const definition = reactor("asks", { input }, (steps) =>
    steps
      .step("a", { run: () => "x".repeat(3_500_000) })
      .map("m", { over: () => [1, 2, 3], after: ["a"] }, (one) =>
        one
          .approval("ok", { title: "May I?", args: ({ results }) => ({ details: { text: results.a } }) })
          .returns(({ results }) => results.ok),
      )
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: 1 });
  expect(charsOf(run.events.filter(({ type }) => type === "step.waiting"))).toBeGreaterThan(maxAppendChars);
  expect([run.status, run.waits.length, run.problems]).toEqual(["waiting", 3, []]);
});

test("failures that come at once, each with as much as an error may tell", async () => {
  const body = { body: "y".repeat(16_000) };
  const down = (causes: number): ViableError =>
    new ViableError("api.down", "z".repeat(4_000), {
      retryable: true,
      details: body,
      ...(causes > 0 && { cause: down(causes - 1) }),
    });
  const definition = reactor("fails", { input }, (steps) =>
    steps
      .map("m", { over: () => Array.from({ length: 100 }, (_, index) => index) }, (one) =>
        one
          .step("x", {
            run: ({ attempt }) => {
              if (attempt === 1) throw down(4);
              return attempt;
            },
          })
          .returns(({ results }) => results.x),
      )
      .returns(({ results }) => results.m),
  );
  const run = await testReactor(definition, { input: 1 });
  expect(charsOf(run.events.filter(({ type }) => type === "step.failed"))).toBeGreaterThan(maxAppendChars);
  expect([run.status, run.result, run.problems]).toEqual(["completed", Array.from({ length: 100 }, () => 2), []]);
});

test("results of steps whose names take as much as they may, of which as many as one append may hold", async () => {
  const nameOf = (depth: number) => `n${depth}`.padEnd(64, "x");
  const within =
    <Given, Results>(depth: number) =>
    (steps: Steps<Given, Results>): Scope<number> => {
      if (depth === 0) return steps.step("s", { run: () => "x".repeat(7_200) }).returns(() => 1);
      if (depth > 6) return steps.group(nameOf(depth), {}, within(depth - 1)).returns(() => 1);
      const branches = { [nameOf(depth)]: { when: () => true, steps: within(depth - 1) } };
      return steps.switch(nameOf(depth), { args: () => ({}), branches: branches as never }).returns(() => 1);
    };
  const list = Array.from({ length: 1_000 }, (_, index) => index);
  const definition = reactor("deep", { input, maxConcurrency: 1_000 }, (steps) =>
    steps
      .map("m", { over: () => list, maxConcurrency: 1_000, collect: "count" }, within(14))
      .returns(({ results }) => results.m),
  );
  const run = await testReactor(definition, { input: 1 });
  expect(charsOf(run.events.filter(({ type }) => type === "step.succeeded"))).toBeGreaterThan(maxAppendChars);
  expect([run.status, run.result, run.problems]).toEqual(["completed", 1_000, []]);
});
