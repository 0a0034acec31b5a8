// That a step whose payload or result has another shape says which step, where in it and what to do; and that a schema judges at once, or
// the step says what is to be changed.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();
const schemas: readonly (readonly [string, z.ZodType])[] = [
  ["an async check", z.object({ n: z.string().refine(async () => true) })],
  ["an async transform", z.object({ n: z.string() }).transform(async ({ n }) => n)],
];
const refused = (message: string) => ({
  status: "failed",
  error: {
    code: "reactor.async_schema",
    message: `The step get cannot be judged: ${message} has an async check or transform, and is to judge at once.`,
    next: expect.stringMatching(/in a step of its own/),
  },
});

test.for(schemas)("%s of what a step waits for fails it, with what to do", async ([, payload]) => {
  const definition = reactor("waits", { input }, (steps) =>
    steps.waitFor("get", { event: "sent", payload }).returns(() => 1),
  );
  const run = await testReactor(definition, { input: 1 });
  expect(await run.send("sent", { n: "x" })).toMatchObject(refused("the schema of its payload"));
});

test.for(schemas)(
  "%s of what a task comes to fails its step, and is no reason to have it done again",
  async ([, result]) => {
    const definition = reactor("asks", { input }, (steps) =>
      steps
        .task("get", { capability: "get", args: () => ({}), result, retry: { maxAttempts: 5, baseMs: 1 } })
        .returns(() => 1),
    );
    let asked = 0;
    const doTask = () => {
      asked += 1;
      return { n: "x" };
    };
    expect(await testReactor(definition, { input: 1, doTask })).toMatchObject(refused("the schema of its result"));
    expect(asked).toBe(1);
  },
);

const shape = z.object({ amount: z.number(), lines: z.array(z.object({ id: z.string() })) });

test("a payload of another shape fails the step, with each place and reason in one line", async () => {
  const definition = reactor("waits", { input }, (steps) =>
    steps.waitFor("paid", { event: "sent", payload: shape }).returns(() => 1),
  );
  const run = await testReactor(definition, { input: 1 });
  await run.send("sent", { amonut: 3, lines: [{ id: "a" }, {}] });
  expect(run.error).toEqual({
    code: "reactor.invalid_payload",
    message:
      "The step paid was sent what does not fit: payload.amount: expected number, received undefined; payload.lines[1].id: expected string, received undefined.",
    next: "Send what the schema of the step's payload asks for, or change that.",
    retryable: false,
    details: {
      step: "paid",
      problems: [
        { path: "payload.amount", reason: "expected number, received undefined" },
        { path: "payload.lines[1].id", reason: "expected string, received undefined" },
      ],
    },
  });
  expect(run.lines.slice(-2)).toEqual([
    "step.failed paid, attempt 1: reactor.invalid_payload",
    "run.failed: reactor.invalid_payload",
  ]);
});

test.for([
  ["is failed by it", {}, 1],
  ["has it done again, where it says how often", { retry: { maxAttempts: 3, baseMs: 1 } }, 3],
] as const)("a task that comes to another shape %s", async ([, tries, times]) => {
  const definition = reactor("asks", { input }, (steps) =>
    steps.task("pack", { capability: "pack", args: () => ({}), result: shape, ...tries }).returns(() => 1),
  );
  let asked = 0;
  const doTask = () => {
    asked += 1;
    return { amount: 1 };
  };
  const run = await testReactor(definition, { input: 1, doTask });
  expect(run.error).toMatchObject({
    code: "reactor.invalid_result",
    message: "The task of the step pack came to what does not fit: result.lines: expected array, received undefined.",
    next: "Have the agent answer what the schema of the step's result asks for, or change that.",
    details: { step: "pack" },
  });
  expect(asked).toBe(times);
});

test("of many that do not fit the first few are told", async () => {
  const definition = reactor("waits", { input }, (steps) =>
    steps.waitFor("get", { event: "sent", payload: z.array(z.string()) }).returns(() => 1),
  );
  const run = await testReactor(definition, { input: 1 });
  await run.send("sent", new Array(100).fill(7));
  expect(run.error?.message).toMatch(/payload\[4\]: expected string, received number; and 95 more\.$/);
});
