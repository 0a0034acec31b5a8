// That an onFailure which answers what it may not fails its step, and says so: it counts neither as a result nor as another word.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "../reactor.ts";
import { testReactor } from "../testing/test-reactor.ts";

const input = z.unknown();
const child = reactor("child", { input }, (steps) =>
  steps
    .step("x", {
      run: (): number => {
        throw new Error("no");
      },
    })
    .returns(({ results }) => results.x),
);
const runWith = (onFailure: () => unknown) =>
  testReactor(
    reactor("parent", { input }, (steps) =>
      steps
        .compose("c", child, { args: () => 1, onFailure: onFailure as () => "fail" })
        .returns(({ results }) => results.c),
    ),
    { input: 1 },
  );

test.for<[string, () => unknown, string]>([
  ["is async", async () => "fail", "a promise"],
  ["is async, and fails", () => Promise.reject(new Error("no")), "a promise"],
  ["answers an object without a result", () => ({}), "an object without a result of its own"],
  ["inherits its result", () => Object.create({ result: 1 }), "an object without a result of its own"],
  ["answers another word", () => "oops", '"oops"'],
  ["answers a number", () => 5, "a number"],
])("one that %s", async ([, onFailure, told]) => {
  const run = await runWith(onFailure);
  expect(run.lines.slice(-2)).toEqual([
    "step.failed c, attempt 1: reactor.invalid_result",
    "run.failed: reactor.invalid_result",
  ]);
  const allowed = '"restart", "fail", "review" or { result }';
  expect(run.error?.message).toBe(
    `The onFailure of the step c answered what it may not: it may answer ${allowed}, and answered ${told}.`,
  );
});

test.for<[string, unknown]>([
  ["fail", "fail"],
  ["nothing", undefined],
])("with %s, its step fails with what the run failed with that it composes", async ([, answer]) => {
  const run = await runWith(() => answer);
  expect([run.status, run.error?.message]).toEqual(["failed", "no"]);
});

test("a result that it has to go on with may be nothing", async () => {
  const run = await runWith(() => ({ result: undefined }));
  expect([run.status, run.result, run.lines.at(-2)]).toEqual(["completed", null, "step.succeeded c by compensation"]);
});
