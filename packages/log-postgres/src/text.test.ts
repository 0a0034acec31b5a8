import fc from "fast-check";
import { expect, test } from "vitest";
import { textArray } from "./array-literal.ts";
import { afterPrefix, canBeStored } from "./text.ts";

const bytes = (text: string) => Buffer.from(text);

test("property: afterPrefix is above every text with the prefix, and nothing without it lies between", () => {
  const unit = fc.constantFrom("a", "b", "\u007f", "\u0080", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}");
  const text = fc.array(unit, { maxLength: 5 }).map((units) => units.join(""));
  fc.assert(
    fc.property(text, text, (prefix, other) => {
      const end = afterPrefix(prefix);
      const inRange =
        Buffer.compare(bytes(other), bytes(prefix)) >= 0 &&
        (end === undefined || Buffer.compare(bytes(other), bytes(end)) < 0);
      expect(inRange).toBe(other.startsWith(prefix));
      expect(end === undefined || canBeStored(end)).toBe(true);
    }),
    {
      numRuns: 2_000,
      examples: [
        ["\ud7ff", "\ue000"],
        ["", "\u{10ffff}"],
        ["a\u{10ffff}", "b"],
      ],
    },
  );
});

test("array literals quote every text, so that none is taken for NULL or cut at a comma", () => {
  expect(textArray([])).toBe("{}");
  expect(textArray(["a", null, "", "NULL", 'q"\\,{}'])).toBe('{"a",NULL,"","NULL","q\\"\\\\,{}"}');
});
