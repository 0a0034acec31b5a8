/** Addresses stand for themselves alone, unless they end in a star. */
import { addressPattern } from "@viable/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { matchesAddress } from "./address.ts";

test.each([
  ["command/analyze", "command/analyze", true],
  ["command/analyze", "command/analyze2", false],
  ["command/analyze", "command/analyz", false],
  ["command/analyze", "Command/analyze", false],
  ["command/*", "command/analyze", true],
  ["command/*", "command/code_analysis.complexity", false],
  ["command/*", "command/", false],
  ["command/*", "query/analyze", false],
  ["command/code_analysis.*", "command/code_analysis.complexity", true],
  ["command/code_analysis.*", "command/code_analysis", false],
  ["command/code*", "command/code_analysis", true],
  ["command/code*", "command/code_analysis.complexity", false],
  ["command/**", "command/code_analysis.complexity", true],
  ["**", "anything", true],
  ["view/memory", "view/memory.watch", false],
])("%s stands for %s: %s", (pattern, address, expected) => {
  expect(matchesAddress(pattern, address)).toBe(expected);
});

test.each(["", "*", "***", "command/*x", "command/**/x", "/command", "command//x", "command/", "a b", "x".repeat(201)])(
  "%j is no pattern",
  (text) => {
    expect(addressPattern.safeParse(text).success).toBe(false);
  },
);

test("without a star a pattern stands for one address alone", () => {
  const part = fc.stringMatching(/^[a-z0-9_-]{1,5}$/);
  const address = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
  fc.assert(
    fc.property(address, address, (pattern, other) => {
      expect(matchesAddress(pattern, other)).toBe(pattern === other);
    }),
  );
});
