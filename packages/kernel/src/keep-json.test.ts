// That what is kept is what JSON gives back, frozen and counted; and what JSON would change is refused with its place.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { maxJsonDepth } from "./json.ts";
import { freezeJson, keepJson } from "./keep-json.ts";

const most = 4 * 1024 * 1024;
const valueKept = (value: unknown): unknown => {
  const kept = keepJson(value, most);
  return typeof kept === "string" ? kept : kept.value;
};

const isFrozen = (value: unknown): boolean =>
  typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));

test("any JSON is kept as JSON gives it back, frozen through and through, and counted as no less than it takes", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const text = JSON.stringify(value);
      const kept = keepJson(value, most);
      if (typeof kept === "string") throw new Error(kept);
      expect(JSON.stringify(kept.value)).toBe(text);
      expect(kept.chars).toBeGreaterThanOrEqual(text.length);
      expect(isFrozen(kept.value)).toBe(true);
    }),
  );
});

test("what JSON escapes is counted as it is written: every unit of UTF-16, alone and in a pair", () => {
  for (let unit = 0; unit < 2 ** 16; unit++) {
    for (const text of [`a${String.fromCharCode(unit)}b`, `\ud83d${String.fromCharCode(unit)}`]) {
      const kept = keepJson(text, most);
      if (typeof kept === "string" || kept.chars !== JSON.stringify(text).length) throw new Error(`Unit ${unit}.`);
    }
  }
});

test("what JSON gave back is frozen where it stands, through and through", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), (text) => {
      const read: unknown = JSON.parse(text);
      expect(freezeJson(read)).toBe(read);
      expect(isFrozen(read)).toBe(true);
      expect(read).toEqual(JSON.parse(text));
    }),
  );
});

test("it is a copy: whoever returned a value goes on with it as he likes", () => {
  const value = { list: [1] };
  const kept = valueKept(value);
  value.list.push(2);
  expect(kept).toEqual({ list: [1] });
});

test.for<[string, unknown, unknown]>([
  ["nothing is null", undefined, null],
  ["a member that is undefined is left out", { a: undefined, b: 1 }, { b: 1 }],
  ["-0 is 0", [-0], [0]],
  ["an object without a prototype is one like others", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
])("%s", ([, value, kept]) => {
  expect(valueKept(value)).toStrictEqual(kept);
});

test("a member named __proto__ is a member", () => {
  const kept = valueKept(JSON.parse('{"__proto__": {"a": 1}}')) as object;
  expect(JSON.stringify(kept)).toBe('{"__proto__":{"a":1}}');
  expect(Object.getPrototypeOf(kept)).toBe(Object.prototype);
});

describe("what JSON would change is refused, and its place is told", () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const nest = (levels: number): unknown => (levels === 0 ? 1 : [nest(levels - 1)]);
  const unlookable = new Proxy(
    {},
    {
      getPrototypeOf() {
        throw new Error("trap");
      },
    },
  );
  test.for<[string, unknown, string | RegExp]>([
    ["a date", { at: new Date(0) }, "result.at: an instance of Date cannot be written as JSON and read back"],
    [
      "a class of one's own",
      new (class Order {})(),
      "result: an instance of Order cannot be written as JSON and read back",
    ],
    ["an error", { a: [new Error("no")] }, "result.a[0]: an instance of Error cannot be written as JSON and read back"],
    ["NaN", { n: Number.NaN }, "result.n: NaN is not a JSON number"],
    ["Infinity", Number.POSITIVE_INFINITY, "result: Infinity is not a JSON number"],
    ["a big integer", [1n], "result[0]: a bigint cannot be written as JSON"],
    ["a function", { f: () => 1 }, "result.f: a function cannot be written as JSON"],
    ["a symbol", Symbol("s"), "result: a symbol cannot be written as JSON"],
    ["a hole in a list", [1, undefined, 2], "result[1]: a list cannot hold undefined"],
    ["what holds itself", circle, /nested deeper/],
    [
      "what is nested too deep for an event around it",
      nest(maxJsonDepth - 3),
      `nested deeper than ${maxJsonDepth - 4} levels`,
    ],
    ["what cannot be looked at", { a: unlookable }, "it cannot be looked at"],
  ])("%s", ([, value, reason]) => {
    const kept = keepJson(value, most);
    expect(kept).toEqual(typeof reason === "string" ? reason : expect.stringMatching(reason));
  });

  test("what is just deep enough is kept", () => {
    expect(valueKept(nest(maxJsonDepth - 4))).toEqual(nest(maxJsonDepth - 4));
  });
});

test("more than it may take is refused before it is copied whole, as the log would count it", () => {
  expect(keepJson("x".repeat(98), 100)).toMatchObject({ chars: 100 });
  expect(keepJson("x".repeat(99), 100)).toBe("more than 100 characters of JSON");
  // Escaped, each takes six.
  expect(keepJson("\u0000".repeat(17), 100)).toBe("more than 100 characters of JSON");
  let looked = 0;
  const long = Array.from({ length: 1_000 }, () =>
    Object.defineProperty({}, "a", { enumerable: true, get: () => ++looked }),
  );
  expect(keepJson(long, 100)).toBe("more than 100 characters of JSON");
  expect(looked).toBeLessThan(50);
});
