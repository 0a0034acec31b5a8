// Proves that ranges mean what they mean in npm, that what is none is told from them, and that none is without bounds.
import { describe, expect, test } from "vitest";
import { parseVersionRange } from "./version-range.ts";

test.each([
  ["1.2.3", ["1.2.3", "1.2.3+build"], ["1.2.4", "1.2.3-rc.1"]],
  ["1.2", ["1.2.0", "1.2.9"], ["1.3.0", "1.2.0-rc.1"]],
  ["1", ["1.0.0", "1.9.9"], ["2.0.0-rc.1", "0.9.9"]],
  ["1.x || 3.*", ["1.5.0", "3.0.1"], ["2.0.0"]],
  ["*", ["0.0.0", "7.0.0"], ["7.0.0-rc.1"]],
  ["^1.2.3", ["1.2.3", "1.9.0"], ["1.2.2", "2.0.0", "1.3.0-rc.1", "2.0.0-rc.1"]],
  ["^0.2.3", ["0.2.9"], ["0.3.0"]],
  ["^0.0.3", ["0.0.3"], ["0.0.4"]],
  ["^0.0", ["0.0.9"], ["0.1.0"]],
  ["^1", ["1.0.0"], ["0.0.0"]],
  ["~1.2.3", ["1.2.9"], ["1.3.0"]],
  ["~1", ["1.9.0"], ["2.0.0"]],
  [">=1.4 <3", ["1.4.0", "2.9.9"], ["1.3.9", "3.0.0"]],
  [">1.2", ["1.3.0"], ["1.2.9", "1.3.0-rc.1"]],
  ["<=1.2", ["1.2.9"], ["1.3.0"]],
  [">= 1.2.3-rc.2", ["1.2.3-rc.10", "1.2.3"], ["1.2.3-rc.1", "1.2.4-rc.3"]],
  ["<1.2.3-rc.2", ["1.2.3-rc.1", "1.2.3-alpha", "1.2.3-1", "1.2.2"], ["1.2.3-rc.2", "1.2.2-rc.1"]],
  ["1.2.3 - 2", ["1.2.3", "2.9.9"], ["1.2.2", "3.0.0"]],
  [">*", [], ["0.0.0", "9.9.9"]],
])("%s holds what npm says it holds", (range, within, without) => {
  const holds = parseVersionRange(range);
  expect(within.filter((version) => holds?.(version) !== true)).toEqual([]);
  expect(without.filter((version) => holds?.(version) !== false)).toEqual([]);
});

describe("a range", () => {
  test.each(["", "*", ">= 1.2.3", "^1 || ^2", "1.x"])("%j is one", (text) => {
    expect(parseVersionRange(text)?.("1.2.3")).toBe(true);
  });
  test.each(["new", "1.2.3.4", "^", ">=", "1..2", "latest", "^1 ||| ^2", `^1${" ^1".repeat(85)}`])(
    "%j is none",
    (text) => {
      expect(parseVersionRange(text)).toBeUndefined();
    },
  );
  test("holds nothing that is no version", () => {
    expect(parseVersionRange("*")?.("1.2")).toBe(false);
  });
});
