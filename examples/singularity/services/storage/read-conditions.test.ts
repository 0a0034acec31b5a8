// Conditions as PostgreSQL writes them, taken apart: what an index could serve, and what only looks like it.
import { expect, test } from "vitest";
import { readConditions } from "./read-conditions.ts";

/** Short for people: what is compared, and how. */
const read = (text: string) =>
  readConditions(text).map(({ columns, subject, test }) => [
    subject.kind === "column" ? columns.map(({ sql }) => sql).join() : `(${subject.sql})`,
    test,
  ]);

test.each([
  ["(t.a = 5)", [["a", "equality"]]],
  ["(5 = t.a)", [["a", "equality"]]],
  ["(t.a = $1)", [["a", "equality"]]],
  ["(t.x = (InitPlan 1).col1)", [["x", "equality"]]],
  ["(t.a = ANY ('{1,2}'::integer[]))", [["a", "equality"]]],
  ["(t.a IS NULL)", [["a", "equality"]]],
  ["t.flag", [["flag", "equality"]]],
  ["(NOT t.flag)", [["flag", "equality"]]],
  ["((t.b)::text = 'x'::text)", [["b", "equality"]]],
  ["(t.a > 5)", [["a", "range"]]],
  ["(t.b ~~ 'abc%'::text)", [["b", "prefix"]]],
  ["(t.a <> 5)", [["a", "other"]]],
  ["(t.a IS NOT NULL)", [["a", "other"]]],
  ["(t.b ~~ '%abc'::text)", [["b", "other"]]],
  ["(t.b ~~ ANY ('{abc%}'::text[]))", [["b", "other"]]],
  ["(lower(t.b) = 'x'::text)", [["(lower(b))", "equality"]]],
  ["(pg_catalog.lower(t.b) = 'x'::text)", [["(lower(b))", "equality"]]],
  ["((t.created)::date = '2026-01-01'::date)", [["((created)::date)", "equality"]]],
  ["((t.a + 1) = 2)", [["(a + 1)", "equality"]]],
  ["(t.a < t.b)", [["(t.a < t.b)", "other"]]],
  ["((t.a = 1) OR (t.b = 2))", [["((t.a = 1) OR (t.b = 2))", "other"]]],
  ["starts_with(t.b, 'x'::text)", [["(starts_with(t.b, 'x'::text))", "other"]]],
  ["(hashed SubPlan 1)", [["(hashed SubPlan 1)", "other"]]],
])("%s", (text, conditions) => {
  expect(read(text)).toEqual(conditions);
});

test("several that must all hold are taken one by one, also within brackets; what stands in texts and names is no word", () => {
  expect(read(`((t.a = 1) AND ((t.b > 2) AND (t."ORDER" = 'x AND (y'::text)) AND (u."a""b" = 'it''s'::text))`)).toEqual(
    [
      ["a", "equality"],
      ["b", "range"],
      ['"ORDER"', "equality"],
      ['"a""b"', "equality"],
    ],
  );
  expect(readConditions(`(u."a""b" = 1)`)[0]?.columns).toEqual([{ name: 'a"b', sql: '"a""b"' }]);
  expect(readConditions(undefined)).toEqual([]);
});

test("what is no condition at all is no column of an index, and ends", () => {
  for (const text of ["", "(", "))((", "'", "t.", "= =", "AND AND", "漢字", "\u0000"]) {
    expect(
      readConditions(text).filter(({ test }) => test !== "other"),
      text,
    ).toEqual([]);
  }
});
