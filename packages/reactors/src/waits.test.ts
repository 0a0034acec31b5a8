// That what a wait is told and that leads to nothing fails it, as a sleep: it would wait without an end, or for something else; and that what
// a step's functions answer and cannot be taken is told by which it was.
import { expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "./definition.ts";
import { reactor } from "./reactor.ts";
import { testReactor } from "./testing/test-reactor.ts";

/** As it is said, and not always given. */
const input = z.custom<{ ms: number; k: string; list: number[] }>(() => true);
const run = (definition: unknown, given: object = {}) => testReactor(definition as ReactorDefinition, { input: given });
const messageOf = async (definition: unknown) => (await run(definition)).error?.message;

test.for<[string, object]>([
  ["is missing", {}],
  ["is null", { ms: null, k: null }],
])("what a wait is told by a ref to what %s fails it", async ([, given]) => {
  const keyed = reactor("keyed", { input }, (steps) =>
    steps.waitFor("w", { event: "e", args: ({ input }) => ({ key: input.k }) }).returns(() => 1),
  );
  const limited = reactor("limited", { input }, (steps) =>
    steps.waitFor("w", { event: "e", args: ({ input }) => ({ timeoutMs: input.ms }) }).returns(() => 1),
  );
  const asks = reactor("asks", { input }, (steps) =>
    steps.approval("w", { title: "May we?", args: ({ input }) => ({ timeoutMs: input.ms }) }).returns(() => 1),
  );
  const failed = (message: string) => ({
    status: "failed",
    error: { code: "reactor.invalid_argument", message: `The step w cannot be done: ${message}.` },
  });
  expect(await run(keyed, given)).toMatchObject(failed("key must be text of 1 to 200 characters"));
  for (const definition of [limited, asks])
    expect(await run(definition, given)).toMatchObject(failed("timeoutMs must be a number of milliseconds"));
});

test("what a wait is not told is the run's id, and no end", async () => {
  const waits = reactor("waits", { input }, (steps) =>
    steps
      .waitFor("w", { event: "e" })
      .approval("ask", { title: "May we?", after: ["w"] })
      .returns(() => 1),
  );
  const waiting = await run(waits);
  expect(waiting.waits[0]?.wait).toEqual({ for: "event", event: "e", key: waiting.runId });
  await waiting.send("e", 1);
  expect((await waiting.approve()).status).toBe("completed");
});

test("what cannot be taken is told by whose it is: a guard's answer, what a map goes over, what the run comes to", async () => {
  const guards = reactor("guards", { input }, (steps) =>
    steps.step("x", { guard: (() => 5) as never, run: () => 1 }).returns(() => 1),
  );
  expect(await messageOf(guards)).toBe(
    "The guard of the step x answered what it may not: it may answer { result } or nothing.",
  );
  const maps = reactor("maps", { input }, (steps) =>
    steps.map("m", { over: ({ input }) => input.list }, (each) => each.returns(() => 1)).returns(() => 1),
  );
  expect(await messageOf(maps)).toBe("The step m cannot be done: what it maps over is no list.");
  const large = reactor("large", { input }, (steps) =>
    steps
      .step("a", { run: () => "x".repeat(3_000_000) })
      .step("b", { run: () => "x".repeat(3_000_000) })
      .returns(({ results }) => [results.a, results.b]),
  );
  expect(await messageOf(large)).toBe("What the run comes to cannot be kept: more than 4194304 characters of JSON.");
});
