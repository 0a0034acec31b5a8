// Rows that go with an append, where things go wrong that only a database can do: what takes too long, what is checked late, a connection
// that breaks in the middle, and queries that are none.
import type { CommitOutcome, EncodedAppend, RowWrite, Store } from "@viable/log";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPgliteStore } from "./pglite-store.ts";
import { createPostgresStore } from "./postgres-store.ts";
import type { PostgresServer } from "./testing/index.ts";
import { startPostgres } from "./testing/index.ts";

const cacheDir = process.env.VIABLE_TEST_CACHE_DIR;

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
const onPglite = async () => await opened(createPgliteStore({ cacheDir }));

/** Somebody who holds a table, until disposed of. */
async function lockedBy(table: string, connectionString: string) {
  const client = new pg.Client(connectionString);
  await client.connect();
  await client.query(`BEGIN; LOCK TABLE ${table}`);
  return { [Symbol.asyncDispose]: () => client.end() };
}

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

  test("W10: many rows that wait for a lock hold up nobody for longer than the rows of one flush may take", async () => {
    const connectionString = await server.createDatabase();
    await using store = await opened(createPostgresStore({ connectionString }));
    await store.commit([append(row("CREATE TABLE shared (id int)"), row("INSERT INTO shared VALUES (1)"))], 1);
    const lock = await lockedBy("shared", connectionString);
    const beganMs = performance.now();
    const waiting = Array.from({ length: 8 }, () => append(row("UPDATE shared SET id = 1")));
    const { outcomes } = await store.commit([append(), ...waiting, append()], 1);
    expect(kinds(outcomes)).toEqual(["appended", ...waiting.map(() => "row_refused"), "appended"]);
    // Each for itself would have waited 3 s.
    expect(performance.now() - beganMs).toBeLessThan(20_000);
    await lock[Symbol.asyncDispose]();
    expect(kinds((await store.commit([append(row("UPDATE shared SET id = 2"))], 1)).outcomes)).toEqual(["appended"]);
  });

  test("a row that is refused costs no connection", async () => {
    await using store = await onPostgres();
    const backend = async () => {
      const [found] = await store.query({ sql: "SELECT pid FROM viable_backend", params: [] });
      return found?.pid;
    };
    const note = [row("DELETE FROM viable_backend"), row("INSERT INTO viable_backend SELECT pg_backend_pid()")];
    await store.commit([append(row("CREATE TABLE viable_backend (pid int)"), ...note)], 1);
    const before = await backend();
    const { outcomes } = await store.commit([append({ ...row("SELECT 1 WHERE false"), rows: 1 }), append(...note)], 1);
    expect(kinds(outcomes)).toEqual(["row_refused", "appended"]);
    expect(await backend()).toBe(before);
  });

  test("W10: a process that stands still in the middle of a commit holds up the others for some seconds, and writes nothing", async () => {
    const connectionString = await server.createDatabase();
    await using still = await opened(createPostgresStore({ connectionString }));
    await using other = await opened(createPostgresStore({ connectionString }));
    const { promise, resolve } = Promise.withResolvers<readonly EncodedAppend[]>();
    const asked = Promise.withResolvers<void>();
    const commit = still.commit([append()], 1, () => {
      asked.resolve();
      return promise;
    });
    commit.catch(() => {});
    await asked.promise;
    expect(kinds((await other.commit([append()], 1)).outcomes)).toEqual(["appended"]);
    resolve([]);
    await expect(commit).rejects.toMatchObject({ code: "log.store_unavailable", retryable: true });
    expect((await still.head()).ordinal).toBe(1);
    expect(kinds((await still.commit([append()], 1)).outcomes)).toEqual(["appended"]);
  });

  test("what a query sets or locks is undone with it", async () => {
    const connectionString = await server.createDatabase();
    await using store = await opened(createPostgresStore({ connectionString, maxReadConnections: 1 }));
    for (const sql of [
      "SELECT set_config('default_transaction_read_only', 'off', false)",
      "SELECT pg_advisory_lock(728360441, 1)::text",
    ])
      await store.query({ sql, params: [] });
    const written = { sql: "WITH gone AS (DELETE FROM viable.events RETURNING 1) SELECT * FROM gone", params: [] };
    await expect(store.query(written)).rejects.toMatchObject({ code: "log.store_refused" });
    expect(
      await store.query({ sql: "SELECT current_setting('default_transaction_read_only') AS is", params: [] }),
    ).toEqual([{ is: "on" }]);
    const held = { sql: "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", params: [] };
    expect(await store.query(held)).toEqual([{ count: 0 }]);
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
