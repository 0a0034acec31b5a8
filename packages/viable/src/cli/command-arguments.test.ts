// Words of the command line become values by the command's schema. Values are never guessed where the schema says what they are.
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { describeArguments, parseCommandArguments, resolvePaths } from "./command-arguments.ts";

const toSchema = (schema: z.ZodType) => z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as never;
const strict = toSchema(
  z.strictObject({
    text: z.string(),
    count: z.number().int().default(3),
    ratio: z.number().optional(),
    dryRun: z.boolean().optional(),
    kind: z.enum(["red", "7"]).optional(),
    tags: z.array(z.string()).optional(),
    sizes: z.array(z.number()).optional(),
    limits: z.record(z.string(), z.number()).optional(),
    either: z.union([z.number(), z.string()]).optional(),
    maybe: z.string().nullable().optional(),
    any: z.json().optional(),
  }),
);
const open = toSchema(z.looseObject({}));
const parse = (...words: string[]) => parseCommandArguments("job", words, strict);

describe("by schema", () => {
  test("text stays text, whatever it looks like", () => {
    expect(parse("--text", "7", "--kind", "7")).toEqual({ text: "7", kind: "7" });
    expect(parse("--text", "true")).toEqual({ text: "true" });
    expect(parse("--text=--odd=1")).toEqual({ text: "--odd=1" });
    expect(parse("--text", "")).toEqual({ text: "" });
  });

  test("numbers are numbers, negative ones too, and other words are refused", () => {
    expect(parse("--count", "12", "--ratio=-0.5")).toEqual({ count: 12, ratio: -0.5 });
    expect(parse("--ratio", "-3")).toEqual({ ratio: -3 });
    expect(() => parse("--count", "many")).toThrow('--count: "many" is not of type integer');
    expect(() => parse("--count", "1.5")).toThrow("is not of type integer");
  });

  test("flags need no value, and can be denied", () => {
    expect(parse("--dry-run", "--text", "x")).toEqual({ dryRun: true, text: "x" });
    expect(parse("--no-dry-run")).toEqual({ dryRun: false });
    expect(parse("--dryRun", "false")).toEqual({ dryRun: false });
    expect(parse("--dryRun=true")).toEqual({ dryRun: true });
  });

  test("lists grow by repetition or come as JSON", () => {
    expect(parse("--tags", "a", "--tags", "b")).toEqual({ tags: ["a", "b"] });
    expect(parse("--tags", '["a","b"]')).toEqual({ tags: ["a", "b"] });
    expect(parse("--tags", "7")).toEqual({ tags: ["7"] });
    expect(parse("--sizes", "7", "--sizes", "8")).toEqual({ sizes: [7, 8] });
  });

  test("objects are JSON; of several types the one that fits, text last", () => {
    expect(parse("--limits", '{"a":1}')).toEqual({ limits: { a: 1 } });
    expect(() => parse("--limits", "a=1")).toThrow("is not of type object");
    expect(parse("--either", "5")).toEqual({ either: 5 });
    expect(parse("--either", "five")).toEqual({ either: "five" });
    expect(parse("--maybe", "null")).toEqual({ maybe: null });
    expect(parse("--maybe", "5")).toEqual({ maybe: "5" });
  });
});

test("without a schema, what reads as JSON is JSON and the rest is text", () => {
  const args = parseCommandArguments(
    "job",
    ["--n", "1", "--list", "[1]", "--word", "one", "--some-name", "null"],
    open,
  );
  expect(args).toEqual({ n: 1, list: [1], word: "one", "some-name": null });
});

describe("mistakes are named", () => {
  test("an unknown name, with the nearest and what there is", () => {
    expect(() => parse("--cuont", "1")).toThrow('job has no argument "cuont". Did you mean --count?');
    expect(() => parse("--no-text")).toThrow('job has no argument "no-text"');
  });

  test("a value that is missing, a name given twice, a word that stands alone", () => {
    expect(() => parse("--text")).toThrow("--text needs a value");
    expect(() => parse("--text", "--count", "1")).toThrow("--text needs a value");
    expect(() => parse("--text", "a", "--text", "b")).toThrow("--text is given twice");
    expect(() => parse("alone")).toThrow('"alone" stands alone');
  });
});

test("a dangerous name is a name like any other", () => {
  const args = parseCommandArguments("job", ["--__proto__", '{"polluted":true}'], open);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  expect(Object.keys(args)).toEqual(["__proto__"]);
});

test("a relative path is made absolute; anything else is left alone", () => {
  expect(resolvePaths({ path: "a/b", other: "a/b" }, "/here")).toEqual({ path: "/here/a/b", other: "a/b" });
  expect(resolvePaths({ path: "/abs" }, "/here")).toEqual({ path: "/abs" });
  expect(resolvePaths({ path: 7 }, "/here")).toEqual({ path: 7 });
});

test("what a command takes, in a sentence", () => {
  expect(describeArguments("job", strict)).toContain(
    "job takes --text <string> [--count <integer>] [--ratio <number>] [--dryRun]",
  );
  expect(describeArguments("idle", toSchema(z.strictObject({})))).toBe("idle takes no arguments.");
});
