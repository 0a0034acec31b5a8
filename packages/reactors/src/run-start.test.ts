// That whatever a schema does with an input, it fits or is refused as one that does not.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { judgeInput } from "./run-start.ts";
import { schedule } from "./schedule.ts";

const slow = "the schema has an async check or transform, and is to judge at once";

test.for<[string, z.ZodType, string]>([
  [
    "has a member that does not fit",
    z.object({ n: z.number() }),
    "input.n: Invalid input: expected number, received string",
  ],
  ["has an async check", z.object({ n: z.string().refine(async () => true) }), `input: ${slow}`],
  ["has an async transform", z.object({ n: z.string() }).transform(async ({ n }) => n), `input: ${slow}`],
  [
    "throws",
    z.object({ n: z.string() }).transform(() => {
      throw new Error("no such thing");
    }),
    "input: the schema throws (no such thing)",
  ],
])("an input is refused whose schema %s", ([, input, message]) => {
  const definition = reactor("order", { input }, (steps) => steps.returns(() => 1));
  expect(() => judgeInput(definition, { n: "5" })).toThrow(
    expect.objectContaining({ code: "reactor.invalid_input", message: `reactor "order", ${message}.` }),
  );
  expect(() => schedule({ name: "often", cron: "* * * * *", reactor: definition, input: { n: "5" } })).toThrow(
    expect.objectContaining({ code: "reactor.invalid_schedule", message: `schedule "often", ${message}.` }),
  );
});

test("an input that cannot be kept is refused with the place of what is no JSON", () => {
  const definition = reactor("order", { input: z.any() }, (steps) => steps.returns(() => 1));
  const refusal = (input: unknown) => {
    try {
      return judgeInput(definition, input);
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(refusal({ a: [new Date(0)] })).toBe(
    'reactor "order", input.a[0]: an instance of Date cannot be written as JSON and read back.',
  );
  expect(refusal(5n)).toBe('reactor "order", input: a bigint cannot be written as JSON.');
  expect(refusal("x".repeat(5_000_000))).toBe('reactor "order", input: more than 4194304 characters of JSON.');
});
