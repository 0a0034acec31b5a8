import fc from "fast-check";
import { expect, test } from "vitest";
import type { StoredEvent } from "./events.ts";
import { comparePositions, isPosition, matchesFilter, startPosition } from "./events.ts";

const eventOf = (type: string): StoredEvent => ({
  id: "1",
  stream: "s/1",
  version: 1,
  position: "1",
  type,
  data: {},
  metadata: { tenant: "acme", actor: "owner", session: "ses" },
  time: 0,
});

test("property: a glob means what the same regular expression means", () => {
  const letter = fc.constantFrom("a", "b", ".", "?", "%", "😀", "\n");
  const text = fc.array(letter, { maxLength: 8 }).map((letters) => letters.join(""));
  const glob = fc.array(fc.oneof(letter, fc.constant("*")), { maxLength: 8 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, glob, (type, pattern) => {
      const expression = new RegExp(
        `^${pattern
          .split("*")
          .map((part) => part.replace(/[.?]/g, "\\$&"))
          .join("[^]*")}$`,
        "u",
      );
      expect(matchesFilter(eventOf(type), { types: [pattern] })).toBe(expression.test(type));
    }),
    {
      numRuns: 5_000,
      examples: [
        ["aa", "a*a"],
        ["a", "a*a"],
        ["ab", "*b*b*"],
        ["", "*"],
        ["", "**"],
      ],
    },
  );
});

test("a filter's conditions must all hold; an absent one always does", () => {
  const event = eventOf("t");
  expect(matchesFilter(event, {})).toBe(true);
  expect(matchesFilter(event, { tenant: "acme", streamPrefix: "s/", session: "ses", types: ["x", "t"] })).toBe(true);
  for (const filter of [
    { tenant: "x" },
    { streamPrefix: "x" },
    { session: "x" },
    { correlation: "x" },
    { types: [] },
  ]) {
    expect(matchesFilter(event, { tenant: "acme", ...filter })).toBe(false);
  }
});

test("positions: only those of our own making, in the order of the log", () => {
  expect(["0", "1", "42", "9007199254740991"].every(isPosition)).toBe(true);
  for (const text of ["", "-1", "01", "1.5", "1e3", " 1", "9007199254740992", "NaN", "99999999999999999"]) {
    expect(isPosition(text)).toBe(false);
  }
  expect(["10", "9", startPosition].sort(comparePositions)).toEqual(["0", "9", "10"]);
});
