// What is explained is real, and nothing that is handed in is run: the server's own parser says no to all but a single SELECT.
import type { JsonObject } from "@viable/kernel";
import { toWire } from "@viable/kernel";
import type { Store } from "@viable/log";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPgliteStore } from "./pglite-store.ts";
import { createPostgresStore } from "./postgres-store.ts";
import type { PostgresServer } from "./testing/index.ts";
import { startPostgres } from "./testing/index.ts";

const cacheDir = process.env.VIABLE_TEST_CACHE_DIR;

let server: PostgresServer;
beforeAll(async () => {
  // Statistics come when the test says so.
  server = await startPostgres({ own: true, settings: ["autovacuum=off"] });
});
afterAll(() => server[Symbol.asyncDispose]());

const stores: Record<string, () => Promise<Store>> = {
  PGlite: async () => createPgliteStore({ cacheDir }),
  PostgreSQL: async () => createPostgresStore({ connectionString: await server.createDatabase() }),
};

describe.each(Object.keys(stores))("on %s", (kind) => {
  let store: Store;
  beforeAll(async () => {
    store = await (stores[kind] as () => Promise<Store>)();
    await store.open();
    for (let nr = 1; nr <= 300; nr++) {
      const event = { id: `e${nr}`, type: "a.b", data: "{}", tenant: "d", correlation: `c${nr % 5}`, metadata: "{}" };
      await store.commit(
        [
          {
            streams: [{ stream: `s${nr % 3}`, expected: -1, events: [{ ...event, session: "ses", time: nr }] }],
            records: [{ key: `lease/${nr}`, expected: 0, value: "1", expiresAt: null }],
          },
        ],
        nr,
      );
    }
  });
  afterAll(() => store.close());

  const rootOf = (plan: JsonObject) => plan.Plan as JsonObject;
  const nodesOf = (node: JsonObject): JsonObject[] => [node, ...((node.Plans ?? []) as JsonObject[]).flatMap(nodesOf)];

  test("a statement of the store's own is run with what is in the log, and its plan says what it met", async () => {
    const explained = await store.explain({ statement: "viable_read_stream_forward" });
    expect(explained).toMatchObject({
      origin: "measured",
      query: expect.stringContaining("FROM viable.events WHERE stream = $1::text"),
      parameters: ["s0", "1", "1000"],
      relations: [{ schema: "viable", name: "events" }],
    });
    const root = rootOf(explained?.plan as JsonObject);
    expect(root).toMatchObject({ "Actual Rows": 100, "Actual Loops": 1 });
    expect(root).toHaveProperty("Shared Hit Blocks");
    const { indexes, bytes } = explained?.relations[0] ?? {};
    expect(bytes).toBeGreaterThan(0);
    expect(indexes).toContainEqual({
      name: "events_by_stream",
      columns: ["stream", "version"],
      isPartial: false,
      definition: expect.stringContaining("CREATE UNIQUE INDEX events_by_stream"),
    });
    expect(indexes).toContainEqual(expect.objectContaining({ name: "events_by_session", isPartial: true }));
  });

  test("every statement that there is can be explained, and an unknown one is told which there are", async () => {
    const error = await store.explain({ statement: "nonsense" }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "log.unknown_statement" });
    const names: string[] = error.next.match(/viable_\w+/g);
    expect(names).toEqual(
      expect.arrayContaining(["viable_head", "viable_read_all_forward_types", "viable_list_records"]),
    );
    for (const statement of names) {
      expect(await store.explain({ statement }), statement).toMatchObject({ origin: "measured" });
    }
  });

  test("several streams are read by a stretch of the index for each", async () => {
    const explained = await store.explain({ statement: "viable_read_streams" });
    expect(explained?.parameters).toEqual(['{"s0"}', "{1}", "1000", "8388608"]);
    const scans = nodesOf(rootOf(explained?.plan as JsonObject)).filter((node) => node["Relation Name"] === "events");
    expect(scans).toMatchObject([
      { "Node Type": "Index Scan", "Index Name": "events_by_stream", "Actual Rows": 100, "Actual Loops": 1 },
    ]);
    expect(scans[0]?.["Index Cond"]).toContain("version >=");
  });

  test("a page is a stretch of an index, and data that was left out of it is fetched by its place", async () => {
    for (const [statement, index, rows] of [
      ["viable_read_all_forward", "events_pkey", 300],
      ["viable_read_all_backward", "events_pkey", 300],
      ["viable_read_stream_backward", "events_by_stream", 100],
      ["viable_read_large_data", "events_pkey", 1],
    ] as const) {
      const explained = await store.explain({ statement });
      const nodes = nodesOf(rootOf(explained?.plan as JsonObject));
      const scans = nodes.filter((node) => node["Relation Name"] === "events");
      expect(scans, statement).toMatchObject([{ "Index Name": index, "Actual Rows": rows, "Actual Loops": 1 }]);
      expect(nodes.map((node) => node["Node Type"])).not.toContain("Sort");
    }
  });

  test("a page of records, by key or by change, is a stretch of an index", async () => {
    for (const [statement, index, condition] of [
      ["viable_list_records", "records_pkey", "(records.key < 'lease0'::text)"],
      ["viable_read_changes", "records_by_change", "(records.change > '0'::bigint)"],
    ] as const) {
      const explained = await store.explain({ statement });
      const scans = nodesOf(rootOf(explained?.plan as JsonObject)).filter((node) => node["Index Name"] === index);
      expect(scans, statement).toMatchObject([{ "Actual Rows": 300, "Actual Loops": 1 }]);
      expect(scans[0]?.["Index Cond"]).toContain(condition);
    }
  });

  test("statistics that there are not are told from those that there are", async () => {
    const sql = "SELECT * FROM viable.records WHERE version = 1";
    const explained = await store.explain({ sql });
    expect(explained?.relations).toMatchObject([{ name: "records", rows: null, columnsWithStatistics: [] }]);
  });

  test("a query is planned and not run, as it would be for anybody: reading a table from end to end is allowed", async () => {
    const explained = await store.explain({
      sql: "SELECT count(*) FROM viable.events WHERE type = 'a.b' -- all of them",
    });
    expect(explained).toMatchObject({ origin: "estimated", parameters: [] });
    expect(JSON.stringify(explained?.plan)).not.toContain("Actual Rows");
    expect(JSON.stringify(explained?.plan)).toContain('"Node Type":"Seq Scan"');
    expect(await store.explain({ sql: "SELECT pg_sleep(3600)" })).toBeDefined();
    expect(await store.explain({ sql: "SELECT 1;" })).toMatchObject({ relations: [] });
  });

  test("what the planner reads to estimate does not come out in what it says when it fails", async () => {
    await store.commit(
      [{ streams: [], records: [{ key: "secret", expected: -1, value: '"hush-hush"', expiresAt: null }] }],
      1,
    );
    const reading = "table_to_xml('viable.records', true, false, '')::text";
    for (const sql of [
      `SELECT 1 FROM viable.events WHERE version = (${reading})::int`,
      `SELECT 1 FROM pg_class WHERE oid = (${reading})::regclass`,
      `SELECT 1 FROM viable.events WHERE version = (current_setting('data_directory') || 'x')::int`,
    ]) {
      const error = await store.explain({ sql }).catch((thrown) => toWire(thrown));
      expect(error).toMatchObject({ code: "log.not_explained", message: expect.stringContaining("SQLSTATE") });
      expect(JSON.stringify(error)).not.toMatch(/hush|<row|\/data|\/tmp/i);
    }
    // What is wrong with the query itself is told.
    await expect(store.explain({ sql: "SELECT nonsense FROM viable.events" })).rejects.toThrow("nonsense");
  });

  test.each([
    "DELETE FROM viable.events",
    "SELECT 1; DELETE FROM viable.events",
    "SELECT 1; SELECT 2",
    "WITH gone AS (DELETE FROM viable.events RETURNING 1) SELECT * FROM gone",
    "SELECT 1 INTO viable.stolen",
    "INSERT INTO viable.log_partitions VALUES (2, 0)",
    "CREATE TABLE stolen AS SELECT 1",
    "ANALYZE SELECT pg_sleep(3600)",
    "(ANALYZE) SELECT 1",
    "EXECUTE viable_head",
    "EXPLAIN SELECT 1",
    "SELECT $1::int",
    "SELECT 1 FROM nowhere",
    "/* nothing */",
    "",
    `SELECT '${"x".repeat(10_000)}'`,
    "SELECT repeat('x', 2000000)",
    "SELECT 1 FROM viable.events WHERE version = repeat('x', 2000000)::int",
  ])("%s is refused, and nothing has changed", async (sql) => {
    const before = await store.head();
    await expect(store.explain({ sql })).rejects.toMatchObject({ code: "log.not_explained", retryable: false });
    expect(await store.head()).toEqual(before);
    // The connection is as it was: what is asked next is answered, and may be written.
    const append = { streams: [], records: [{ key: "after", expected: -1, value: "1", expiresAt: null }] };
    expect((await store.commit([append], 1)).outcomes).toMatchObject([{ kind: "appended" }]);
    expect((await store.readAll(0, 1, "forward", {})).events.length).toBe(1);
  });
});
