// That a schema by which a step judges what it came to judges at once, or the step says what is to be changed.
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
