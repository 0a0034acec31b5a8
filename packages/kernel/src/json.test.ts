// Proves that what findJsonProblem lets through survives JSON exactly, that what does not survive is found, and that canonical text is
// the same for equal values and only for them.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonValue } from "./json.ts";
import { canonicalJson, findJsonProblem, jsonDepth, maxJsonDepth } from "./json.ts";

const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<JsonValue>;

/** The same value with the members of every object in another order. */
const shuffled = (value: JsonValue, seed: number): JsonValue => {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, seed + 1));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, shuffled(member as JsonValue, seed + 1)] as const);
  for (let index = entries.length - 1; index > 0; index--) {
    const other = (seed * 31 + index * 7) % (index + 1);
    [entries[index], entries[other]] = [entries[other] as (typeof entries)[0], entries[index] as (typeof entries)[0]];
  }
  return Object.fromEntries(entries);
};

const nested = (levels: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

describe("findJsonProblem", () => {
  test("lets through what JSON keeps exactly", () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(findJsonProblem(value)).toBeUndefined();
        // JSON has no negative zero, and canonical text knows no difference.
        expect(canonicalJson(JSON.parse(JSON.stringify(value)))).toBe(canonicalJson(value));
      }),
    );
    expect(findJsonProblem({ a: undefined, b: Object.create(null) })).toBeUndefined();
  });

  test("whatever value it lets through reads back as itself", () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }),
        (value) => {
          if (findJsonProblem(value) !== undefined) return;
          const readBack = JSON.parse(JSON.stringify(value));
          // Members that are undefined are left out, and JSON has no negative zero; toEqual knows the first of these.
          expect(canonicalJson(readBack)).toBe(canonicalJson(value as JsonValue));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  class Money {
    readonly cents = 1;
  }
  const round: Record<string, unknown> = {};
  round.self = round;
  test.each<[string, unknown, string]>([
    ["NaN", Number.NaN, "value"],
    ["infinity", { a: [Number.POSITIVE_INFINITY] }, "value.a[0]"],
    ["a big integer", { n: 1n }, "value.n"],
    ["a function", { f: () => 1 }, "value.f"],
    ["a symbol", [Symbol("s")], "value[0]"],
    ["undefined alone", undefined, "value"],
    ["undefined in a list", [1, undefined], "value[1]"],
    ["a hole in a list", new Array(1), "value[0]"],
    ["a date", { d: new Date() }, "value.d"],
    ["a map", { m: new Map() }, "value.m"],
    ["an instance of a class", { a: { b: new Money() } }, "value.a.b"],
  ])("finds %s and says where", (_what, value, path) => {
    expect(findJsonProblem(value)).toMatchObject({ path });
  });

  test("finds what is nested too deeply, and cycles with it", () => {
    expect(findJsonProblem(nested(maxJsonDepth))).toBeUndefined();
    expect(findJsonProblem(nested(maxJsonDepth + 1))).toMatchObject({ reason: expect.stringContaining("64 levels") });
    expect(findJsonProblem(round)).toMatchObject({ reason: expect.stringContaining("64 levels") });
  });
});

describe("jsonDepth", () => {
  test("counts levels, no further than it must", () => {
    expect([jsonDepth(1), jsonDepth([]), jsonDepth({ a: [1] }), jsonDepth(nested(10))]).toEqual([0, 1, 2, 10]);
    expect(jsonDepth(nested(5_000), 8)).toBe(9 + 1);
    let deep = "1";
    for (let level = 0; level < 100_000; level++) deep = `[${deep}]`;
    expect(jsonDepth(JSON.parse(deep))).toBeGreaterThan(maxJsonDepth);
  });

  test("agrees with findJsonProblem on what is too deep", () => {
    for (const levels of [0, 1, maxJsonDepth - 1, maxJsonDepth, maxJsonDepth + 1, maxJsonDepth + 2]) {
      expect(jsonDepth(nested(levels)) > maxJsonDepth).toBe(findJsonProblem(nested(levels)) !== undefined);
    }
  });
});

describe("canonicalJson", () => {
  test("equal values give equal text, whatever the order of their members", () => {
    fc.assert(
      fc.property(json, fc.nat(), (value, seed) => {
        expect(canonicalJson(shuffled(value, seed))).toBe(canonicalJson(value));
      }),
    );
  });

  test("different values give different text, since it reads back as the value", () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test("members stand in the order of code units, not of any language, and nothing is between them", () => {
    expect(canonicalJson({ b: 1, a: [true, null], é: 2, Z: "x\n", "\u{1f600}": 3, "\uffff": 4 })).toBe(
      '{"Z":"x\\n","a":[true,null],"b":1,"é":2,"\u{1f600}":3,"\uffff":4}',
    );
    // What looks like a number comes first in every object; here it stands where its text belongs.
    expect(canonicalJson({ "10": 1, "9": 2, "-": 3 })).toBe('{"-":3,"10":1,"9":2}');
  });

  test("members that are undefined are left out, and -0 is 0", () => {
    expect(canonicalJson({ a: undefined, b: -0 })).toBe('{"b":0}');
  });
});
