// What is counted against a bound is never more than what is there, and is most of it where there is much.
import type { JsonValue } from "@viable/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { countJsonChars } from "./json-chars.ts";

test("property: it counts no more characters than there are", () => {
  fc.assert(
    fc.property(fc.jsonValue() as fc.Arbitrary<JsonValue>, (value) => {
      expect(countJsonChars(value)).toBeLessThanOrEqual(JSON.stringify(value).length);
    }),
  );
});

test("of texts, names and what stands between them it counts all", () => {
  const value = { text: "x".repeat(1_000), list: ["a", "b", 1, { é: "ü" }], nested: { deep: [["c"]] } };
  expect(countJsonChars(value)).toBe(JSON.stringify(value).length);
});
