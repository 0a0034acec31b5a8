// Proves that subjects match by the rules of NATS, and that no text from outside can change what a subject means.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkPattern, checkSubject, hasWildcard, matchesSubject, toSubjectToken } from "./subject.ts";

const matches = (pattern: string, subject: string) => matchesSubject(pattern.split("."), subject.split("."));

describe("matchesSubject", () => {
  // The cases of https://docs.nats.io/nats-concepts/subjects.
  test.each([
    ["time.us.east", "time.us.east", true],
    ["time.us.east", "time.us.west", false],
    ["time.us.east", "time.us", false],
    ["time.us", "time.us.east", false],
    ["time.*.east", "time.us.east", true],
    ["time.*.east", "time.eu.east", true],
    ["time.*.east", "time.us.west", false],
    ["time.*", "time.us.east", false],
    ["*", "time", true],
    ["*.*", "time", false],
    ["time.us.>", "time.us.east", true],
    ["time.us.>", "time.us.east.atlanta", true],
    ["time.us.>", "time.us", false],
    [">", "time", true],
    [">", "time.us.east", true],
    ["*.*.east.>", "time.us.east.atlanta", true],
  ])("%s and %s: %s", (pattern, subject, expected) => {
    expect(matches(pattern, subject)).toBe(expected);
  });

  test("agrees with a regular expression written from the same rules", () => {
    const token = fc.constantFrom("a", "b", "c");
    fc.assert(
      fc.property(
        fc.array(fc.oneof(token, fc.constant("*")), { maxLength: 4 }),
        fc.boolean(),
        fc.array(token, { minLength: 1, maxLength: 5 }),
        (start, open, subject) => {
          const pattern = open || start.length === 0 ? [...start, ">"] : start;
          const asText = pattern.map((part) => (part === "*" ? "[^.]+" : part === ">" ? ".+" : part)).join("\\.");
          expect(matchesSubject(pattern, subject)).toBe(new RegExp(`^${asText}$`).test(subject.join(".")));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe("checks", () => {
  test.each(["a", "a.b-c_d.E9", "executions.default.exe_01jd", "a.%2E:/@=", "x".repeat(255)])("takes %s", (subject) => {
    expect(() => checkSubject(subject)).not.toThrow();
    expect(() => checkPattern(subject)).not.toThrow();
  });

  test.each([
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "a b",
    "a\tb",
    "a\nb",
    "a\u0000b",
    "ä",
    "a.*",
    "a.>",
    "a*",
    "a>",
    "$SYS.x",
    "_INBOX.x",
    "x".repeat(256),
  ])("refuses %j as a subject", (subject) => {
    expect(() => checkSubject(subject)).toThrow(expect.objectContaining({ code: "bus.invalid_subject" }));
  });

  test.each(["*", ">", "a.*", "a.>", "*.b.>", "*.*"])("takes %s as a pattern", (pattern) => {
    expect(() => checkPattern(pattern)).not.toThrow();
    expect(hasWildcard(pattern)).toBe(true);
  });

  test.each(["a.>.b", ">.a", "a*", "a.b*", "a.>>", "", "$SYS.>", "a. "])("refuses %j as a pattern", (pattern) => {
    expect(() => checkPattern(pattern)).toThrow(expect.objectContaining({ code: "bus.invalid_subject" }));
  });
});

describe("toSubjectToken", () => {
  const text = fc.oneof(
    fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }),
    fc.constantFrom("*", ">", "a.b", "$x", "_x", "%5Fx"),
  );

  test("makes one plain token of any text, also where it stands first", () => {
    fc.assert(
      fc.property(text, (name) => {
        const token = toSubjectToken(name);
        expect(token).not.toContain(".");
        expect(hasWildcard(token)).toBe(false);
        expect(() => checkSubject(`${token}.x`)).not.toThrow();
      }),
      { numRuns: 2_000 },
    );
  });

  test("makes different tokens of different texts", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(toSubjectToken(a) === toSubjectToken(b)).toBe(a === b);
      }),
      { numRuns: 2_000 },
    );
    expect(toSubjectToken("_x")).not.toBe(toSubjectToken("%5Fx"));
  });

  test.each(["", "\ud800"])("refuses %j", (name) => {
    expect(() => toSubjectToken(name)).toThrow(expect.objectContaining({ code: "bus.invalid_subject" }));
  });
});
