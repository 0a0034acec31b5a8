// Rows that go with an append, where things go wrong that only a database can do: what takes too long, what is checked late, a connection
// that breaks in the middle, and queries that are none.
import type { CommitOutcome, EncodedAppend, RowWrite, Store } from "@viable/log";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPgliteStore } from "./pglite-store.ts";
import { createPostgresStore } from "./postgres-store.ts";
import type { PostgresServer } from "./testing/index.ts";
import { startPostgres } from "./testing/index.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

let ids = 0;
const append = (...rows: RowWrite[]): EncodedAppend => {
  const id = `e${++ids}`;
  const event = { id, type: "t", data: "{}", tenant: "d", session: null, correlation: null, metadata: "{}", time: 1 };
  const plain = { streams: [{ stream: `s${ids}`, expected: 0, events: [event] }], records: [] };
  return rows.length === 0 ? plain : { ...plain, with: rows };
};
const row = (sql: string, ...params: string[]): RowWrite => ({ sql, params });
const kinds = (outcomes: readonly CommitOutcome[]) => outcomes.map(({ kind }) => kind);

async function opened(store: Store) {
  await store.open();
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}
const onPostgres = async () => await opened(createPostgresStore({ connectionString: await server.createDatabase() }));
const onPglite = async () => await opened(createPgliteStore());

describe("on PostgreSQL", () => {
  test("a statement that takes too long, or waits too long for a lock, refuses its append alone", async () => {
    await using store = await onPostgres();
    const slow = append(row("SELECT pg_sleep(60)"));
    const { outcomes } = await store.commit([append(), slow, append()], 1);
    expect(kinds(outcomes)).toEqual(["appended", "row_refused", "appended"]);
    expect(outcomes[1]).toMatchObject({ refusal: { write: 0, sqlState: "57014" } });
    // What comes after is not bounded by it.
    expect(kinds((await store.commit([append(row("SELECT pg_sleep(0.01)"))], 1)).outcomes)).toEqual(["appended"]);
  });

  test("a connection that breaks in the middle ends neither the process nor the store, and leaves nothing half", async () => {
    await using store = await onPostgres();
    await store.commit([append(row("CREATE TABLE half (id int)"))], 1);
    const { ordinal } = await store.head();
    const cut = append(row("INSERT INTO half VALUES (1)"), row("SELECT pg_terminate_backend(pg_backend_pid())"));
    await expect(store.commit([cut], 1)).rejects.toMatchObject({ code: "log.store_unavailable", retryable: true });
    await expect
      .poll(async () => kinds((await store.commit([append()], 1).catch(() => ({ outcomes: [] }))).outcomes))
      .toEqual(["appended"]);
    expect(await store.query({ sql: "SELECT * FROM half", params: [] })).toEqual([]);
    expect((await store.head()).ordinal).toBe(ordinal + 1);
  });
});

describe.each([
  ["PostgreSQL", onPostgres],
  ["PGlite", onPglite],
])("on %s", (_, open) => {
  test("what a table checks only at the end refuses the append it came with, and no other", async () => {
    await using store = await open();
    await store.commit([append(row("CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))], 1);
    const insert = row("INSERT INTO late VALUES (1)");
    const { outcomes } = await store.commit([append(insert), append(insert), append()], 1);
    expect(kinds(outcomes)).toEqual(["appended", "row_refused", "appended"]);
    expect(outcomes[1]).toMatchObject({ refusal: { sqlState: "23505" } });
  });

  test("a query reads, and nothing else", async () => {
    await using store = await open();
    await store.commit([append()], 1);
    const { ordinal } = await store.head();
    for (const sql of [
      "DELETE FROM viable.events",
      "BEGIN",
      "COMMIT",
      "SET enable_seqscan = on",
      "SELECT 1; DELETE FROM viable.events",
      "WITH gone AS (DELETE FROM viable.events RETURNING 1) SELECT * FROM gone",
      "SELECT 1 INTO viable.stolen",
      "",
    ])
      await expect(store.query({ sql, params: [] }), sql).rejects.toMatchObject({ code: "log.store_refused" });
    expect(await store.query({ sql: "  select $1::int AS one", params: ["1"] })).toEqual([{ one: 1 }]);
    expect(kinds((await store.commit([append()], 1)).outcomes)).toEqual(["appended"]);
    expect((await store.head()).ordinal).toBe(ordinal + 1);
  });
});
