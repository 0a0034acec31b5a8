// Conditions as PostgreSQL writes them, taken apart: what an index could serve, and what only looks like it.
import { expect, test } from "vitest";
import { readConditions } from "./read-conditions.ts";

/** Short for people: what is compared, and how. */
const read = (text: string, alias?: string) =>
  readConditions(text, alias).map(({ columns, subject, test }) => [
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
  ["(t.a IS TRUE)", [["a", "equality"]]],
  ["(t.a IS DISTINCT FROM 5)", [["a", "other"]]],
  ["(t.a IS NOT TRUE)", [["a", "other"]]],
  ["(t.b IS JSON)", [["b", "other"]]],
  ["(t.mood = 'rare'::app.mood)", [["mood", "equality"]]],
  ["(ROW(t.a, t.b) > ROW(5, 6))", [["a,b", "range"]]],
  ["(ROW(t.a, (t.b + 1)) > ROW(5, 6))", [["(ROW(t.a, (t.b + 1)) > ROW(5, 6))", "other"]]],
  ["(ROW(t.a, t.b) <> ROW(5, 6))", [["(ROW(t.a, t.b) <> ROW(5, 6))", "other"]]],
  ["(t.b ~ '^abc'::text)", [["b", "prefix"]]],
  ["(t.b ~ '^ab*'::text)", [["b", "prefix"]]],
  ["(t.b ~ '^a*'::text)", [["b", "other"]]],
  ["(t.b ~ '^abc|def'::text)", [["b", "other"]]],
  ["(t.b ~ 'abc'::text)", [["b", "other"]]],
  ["(t.b ^@ 'x'::text)", [["b", "prefix"]]],
  ["starts_with(t.b, 'x'::text)", [["b", "prefix"]]],
  ["starts_with('x'::text, t.b)", [["(starts_with('x'::text, t.b))", "other"]]],
  ["ends_with(t.b, 'x'::text)", [["(ends_with(t.b, 'x'::text))", "other"]]],
  ["(app.f(t.b) = 1)", [["(app.f(b))", "equality"]]],
  // Found out anew for each row.
  ["(t.a = (SubPlan 1))", [["(t.a = (SubPlan 1))", "other"]]],
  ["(t.a > (clock_timestamp() - '1 day'::interval))", [["(t.a > (clock_timestamp() - '1 day'::interval))", "other"]]],
  ["(t.a > (now() - '1 day'::interval))", [["a", "range"]]],
  // Of what every row has beside its columns there is no index.
  ["(t.xmin = '5'::xid)", [["(t.xmin = '5'::xid)", "other"]]],
  ["(hashed SubPlan 1)", [["(hashed SubPlan 1)", "other"]]],
])("%s", (text, conditions) => {
  expect(read(text)).toEqual(conditions);
});

test("what is another table's is known when a row is looked at, and no part of an index", () => {
  expect(read("(t.a = u.a)", "t")).toEqual([["a", "equality"]]);
  expect(read("(u.a = t.a)", "t")).toEqual([["a", "equality"]]);
  expect(read(`("T 1".a > (u.b + 1))`, "T 1")).toEqual([["a", "range"]]);
  expect(read("((t.a + u.a) = 5)", "t")).toEqual([["((t.a + u.a) = 5)", "other"]]);
  expect(read("(t.a = t.b)", "t")).toEqual([["(t.a = t.b)", "other"]]);
  expect(read("(u.a = 5)", "t")).toEqual([["(u.a = 5)", "other"]]);
});

test("of conditions any of which is enough each is read by itself", () => {
  const [either] = readConditions("(((t.a = 1) AND (t.b > 2)) OR (t.c ~~ '%x'::text) OR (t.d = 4))");
  expect(either?.alternatives?.map((each) => each.map(({ test }) => test))).toEqual([
    ["equality", "range"],
    ["other"],
    ["equality"],
  ]);
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
