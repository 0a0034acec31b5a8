// Advice on plans that real databases have given, each known to be good or bad by how its tables and indexes were made; and on plans
// that were changed in one place, so that the reason for a piece of advice is there or not.
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { adviseOnPlan } from "./advise-on-plan.ts";
import type { Explanation } from "./plan-nodes.ts";
import { recordedPlan } from "./testing/recorded-plans.ts";

/** Short for people. */
const advise = (explained: Explanation) =>
  adviseOnPlan(explained).map(({ kind, table, columns }) =>
    [kind, table, columns?.join(", ")].filter(Boolean).join(" "),
  );

test.each([
  "byKey",
  "everything",
  "most",
  "small",
  "ordered",
  "indexed",
  "sortInMemory",
  "cutShort",
  "joined",
  "semi",
  "viable_read_stream_forward",
  "viable_read_all_forward",
  "viable_read_all_forward_session",
])("PostgreSQL, all is well: %s", (name) => {
  expect(adviseOnPlan(recordedPlan("postgresql", name))).toEqual([]);
});

test.each([
  ["correlated", ["CREATE INDEX ON shop.sales (customer)"]],
  ["enumeration", ["CREATE INDEX ON shop.sales (state)"]],
  ["either", ["CREATE INDEX ON shop.sales (customer)", 'CREATE INDEX ON shop.sales ("Note")']],
  ["pages", ["CREATE INDEX ON shop.sales (customer, sold)"]],
  ["regular", ['CREATE INDEX ON shop.sales ("Note" text_pattern_ops)']],
  ["byDay", ["Compare sold itself, with a range from one moment to another: CREATE INDEX ON shop.sales (sold)"]],
])("PostgreSQL, %s: %j, and once that was done it is used and all is well", (name, actions) => {
  expect(adviseOnPlan(recordedPlan("postgresql", name)).map(({ action }) => action)).toEqual(actions);
  const after = recordedPlan("postgresql", `${name}Advised`);
  expect(JSON.stringify(after.plan)).not.toContain(
    '"Node Type":"Seq Scan","Parallel Aware":false,"Async Capable":false,"Relation Name":"sales"',
  );
  const used = JSON.stringify(after.plan).match(/"Index Name":"sales_\w+?_idx"/g);
  expect(used).toHaveLength(actions.length);
  expect(adviseOnPlan(after)).toEqual([]);
});

test.each(["viable_read_stream_forward", "viable_read_all_forward", "byId"])("PGlite, all is well: %s", (name) => {
  expect(adviseOnPlan(recordedPlan("pglite", name))).toEqual([]);
});

test.each([
  ["noIndex", ["missing_index public.orders customer, created"]],
  ["expression", ["unused_index public.orders email"]],
  ["otherType", ["unused_index public.orders customer"]],
  ["pattern", ["unindexable_condition public.orders"]],
  ["distinct", ["unindexable_condition shop.sales"]],
  ["prefix", ["missing_index public.orders note"]],
  ["uncounted", ["missing_statistics public.uncounted"]],
  ["stale", ["wrong_estimate public.stale kind"]],
  ["dependentColumns", ["missing_index public.orders city, zip", "wrong_estimate public.orders city, zip"]],
  ["sortOnDisk", ["sort_on_disk"]],
  ["hashOnDisk", ["hash_on_disk"]],
  ["aggregateOnDisk", ["hash_on_disk"]],
  ["viable_read_all_forward_correlation", ["missing_index viable.events correlation, position"]],
  ["viable_read_all_forward_types", ["unindexable_condition viable.events"]],
])("PostgreSQL, %s: %j", (name, expected) => {
  expect(advise(recordedPlan("postgresql", name))).toEqual(expected);
});

test.each([
  ["viable_read_all_forward_correlation", ["missing_index viable.events correlation, position"]],
  ["viable_read_all_forward_session", ["wrong_estimate viable.events session, position"]],
  ["byType", ["missing_statistics viable.events"]],
])("PGlite, %s: %j", (name, expected) => {
  expect(advise(recordedPlan("pglite", name))).toEqual(expected);
});

test("what is to be done is SQL that can be sent, with the reasons in the plan's own numbers", () => {
  const [index] = adviseOnPlan(recordedPlan("postgresql", "viable_read_all_forward_correlation"));
  expect(index).toMatchObject({
    step: "Index Scan using events_pkey on viable.events",
    action: 'CREATE INDEX ON viable.events (correlation, "position")',
    reasons: [expect.stringMatching(/^29,990 rows were read along events_pkey.*; 11 were kept\.$/), expect.anything()],
  });
  const [prefix] = adviseOnPlan(recordedPlan("postgresql", "prefix"));
  expect(prefix?.action).toBe("CREATE INDEX ON public.orders (note text_pattern_ops)");
  const [expression] = adviseOnPlan(recordedPlan("postgresql", "expression"));
  expect(expression?.action).toContain("CREATE INDEX ON public.orders ((lower(email)))");
  const [, statistics] = adviseOnPlan(recordedPlan("postgresql", "dependentColumns"));
  expect(statistics?.action).toContain("CREATE STATISTICS (dependencies, mcv) ON city, zip FROM public.orders");
  const [sort] = adviseOnPlan(recordedPlan("postgresql", "sortOnDisk"));
  expect(sort?.action).toContain("more work_mem than 23624 kB");
});

/** A plan of one step, with what is given beside it. */
const planOf = (node: JsonObject, relation: Partial<Explanation["relations"][number]> = {}): Explanation => ({
  origin: node["Actual Rows"] === undefined ? "estimated" : "measured",
  query: "SELECT",
  parameters: [],
  plan: { Plan: { Schema: "s", "Relation Name": "t", "Plan Rows": 10, ...node } },
  relations: [
    {
      schema: "s",
      name: "t",
      rows: 1_000_000,
      bytes: 1e8,
      columnsWithStatistics: ["a", "b"],
      indexes: [],
      ...relation,
    },
  ],
});
const indexOn = (...columns: (string | null)[]) => ({
  name: "i",
  columns,
  isPartial: false,
  definition: "CREATE INDEX i",
});
const seqScan = { "Node Type": "Seq Scan", Filter: "((t.a = 1) AND (t.b > 2))" };

test("an index is advised only where none serves: one in another order does not, one with the fixed columns first does", () => {
  expect(advise(planOf(seqScan))).toEqual(["missing_index s.t a, b"]);
  expect(advise(planOf(seqScan, { indexes: [indexOn("b", "a")] }))).toEqual(["missing_index s.t a, b"]);
  expect(advise(planOf(seqScan, { indexes: [indexOn(null, "a")] }))).toEqual(["missing_index s.t a, b"]);
  expect(advise(planOf(seqScan, { indexes: [{ ...indexOn("a", "b"), isPartial: true }] }))).toEqual([
    "missing_index s.t a, b",
  ]);
  expect(advise(planOf(seqScan, { indexes: [indexOn("a", "b", "c")] }))).toEqual(["unused_index s.t a, b"]);
});

test("a whole table is well read where it is small, or much of it is kept, or all of it is asked for", () => {
  expect(advise(planOf(seqScan, { rows: 9_999 }))).toEqual([]);
  expect(advise(planOf({ ...seqScan, "Plan Rows": 100_001 }))).toEqual([]);
  expect(advise(planOf({ "Node Type": "Seq Scan" }))).toEqual([]);
  const measured = { ...seqScan, "Actual Loops": 1, "Plan Rows": 5_000 };
  expect(advise(planOf({ ...measured, "Actual Rows": 5_000, "Rows Removed by Filter": 4_000 }))).toEqual([]);
  expect(advise(planOf({ ...measured, "Actual Rows": 5_000, "Rows Removed by Filter": 95_000 }))).toEqual([
    "missing_index s.t a, b",
  ]);
});

test("a name that needs quotes has them", () => {
  const node = { ...seqScan, Schema: "My Schema", "Relation Name": 'T"x', Filter: '("T""x"."Ab" = 1)' };
  const [advice] = adviseOnPlan(planOf(node, { schema: "My Schema", name: 'T"x' }));
  expect(advice?.action).toBe('CREATE INDEX ON "My Schema"."T""x" ("Ab")');
});

test("a name that needs quotes has them in statistics too", () => {
  const filter = '((t."Ab" = 1) AND (t.b = 2))';
  const node = { "Node Type": "Seq Scan", Filter: filter, "Actual Loops": 1, "Actual Rows": 500 };
  const [advice] = adviseOnPlan(planOf(node, { rows: 1_000, columnsWithStatistics: ["Ab", "b"] }));
  expect(advice?.action).toContain('CREATE STATISTICS (dependencies, mcv) ON "Ab", b FROM s.t');
});

test("where any of several conditions is enough, only the index that is not there is advised, and none where one would be useless", () => {
  const either = { "Node Type": "Seq Scan", Alias: "t", Filter: "((t.a = 1) OR (t.b = 2))" };
  expect(advise(planOf(either))).toEqual(["missing_index s.t a", "missing_index s.t b"]);
  expect(advise(planOf(either, { indexes: [indexOn("a")] }))).toEqual(["missing_index s.t b"]);
  expect(advise(planOf({ ...either, Filter: "((t.a = 1) OR (t.b ~~ '%x'::text))" }))).toEqual([
    "unindexable_condition s.t",
  ]);
  expect(advise(planOf({ ...either, Filter: "((t.c = 3) AND ((t.a = 1) OR (t.b = 2)))" }))).toEqual([
    "missing_index s.t c",
  ]);
});

test("what was made text may be a varchar or not, which is told", () => {
  const [advice] = adviseOnPlan(planOf({ ...seqScan, Filter: "((t.a)::text = '5'::text)" }));
  expect(advice?.action).toBe("CREATE INDEX ON s.t (a), or, where a is no varchar, compare it as what it is");
});

test("a table of the same name in another schema is not to be counted for what was read of this one", () => {
  const explained = planOf({ ...seqScan, "Plan Rows": 1_000_000 }, { rows: null, schema: "other" });
  expect(adviseOnPlan(explained)).toEqual([]);
});

test("estimates count only where the step was run to its end, often enough to show, and nothing below explains it", () => {
  const scan = { "Node Type": "Index Scan", "Index Cond": "(t.a = 1)", "Actual Loops": 1 };
  expect(advise(planOf({ ...scan, "Plan Rows": 10, "Actual Rows": 100 }))).toEqual(["wrong_estimate s.t a"]);
  expect(advise(planOf({ ...scan, "Plan Rows": 11, "Actual Rows": 100 }))).toEqual([]);
  expect(advise(planOf({ ...scan, "Plan Rows": 1, "Actual Rows": 99 }))).toEqual([]);
  expect(advise(planOf({ ...scan, "Plan Rows": 1_000, "Actual Rows": 0 }))).toEqual(["wrong_estimate s.t a"]);
  expect(advise(planOf({ ...scan, "Plan Rows": 1_000, "Actual Rows": 0, "Actual Loops": 0 }))).toEqual([]);
  const inner = { Schema: "s", "Relation Name": "t", ...scan, "Plan Rows": 1_000, "Actual Rows": 1 };
  const limit = { "Node Type": "Limit", "Actual Loops": 1, "Actual Rows": 1, "Plan Rows": 1, Plans: [inner] };
  const plain = { Schema: undefined, "Relation Name": undefined } as unknown as JsonObject;
  expect(advise(planOf({ ...plain, ...limit }))).toEqual([]);
  const sort = { ...limit, "Node Type": "Sort", "Plan Rows": 1_000 };
  // The sort is off because the scan below it is: only that is told.
  expect(advise(planOf({ ...plain, ...sort }))).toEqual(["wrong_estimate s.t a"]);
  expect(advise(planOf({ ...plain, ...limit, Plans: [{ ...sort }] }))).toEqual(["wrong_estimate s.t a"]);
});

test("what is no plan is refused, and one deeper than any is too", () => {
  const unreadable = { code: "plan.unreadable" };
  const refused = (plan: JsonObject) => {
    try {
      adviseOnPlan({ ...planOf(seqScan), plan: plan as Explanation["plan"] });
    } catch (error) {
      return error;
    }
    return undefined;
  };
  expect(refused({})).toMatchObject(unreadable);
  expect(refused({ Plan: { "Node Type": "Seq Scan" } })).toMatchObject(unreadable);
  let deep: JsonObject = { "Node Type": "Result", "Plan Rows": 1 };
  for (let level = 0; level < 200; level++) deep = { "Node Type": "Result", "Plan Rows": 1, Plans: [deep] };
  expect(refused({ Plan: deep })).toMatchObject(unreadable);
});
