// The shortest way of a commit: that it is taken, and that whatever stands against it is answered as on the ways that look.
import type { EncodedAppend, Store } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPostgresStore } from "./postgres-store.ts";
import type { PostgresServer } from "./testing/index.ts";
import { startPostgres } from "./testing/index.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres({ own: true });
});
afterAll(() => server[Symbol.asyncDispose]());

let ids = 0;
const appendTo = (stream: string, expected: number, id = `e${++ids}`): EncodedAppend => ({
  streams: [
    {
      stream,
      expected,
      events: [{ id, type: "t", data: "{}", tenant: "d", session: null, correlation: null, metadata: "{}", time: 1 }],
    },
  ],
  records: [],
});

async function setup() {
  const connectionString = await server.createDatabase();
  const open = async () => {
    const store = createPostgresStore({ connectionString });
    await store.open();
    return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
  };
  const own = await open();
  const commit = async (store: Store, ...batch: EncodedAppend[]) => (await store.commit(batch, 1)).outcomes;
  /** Has it alone for long enough that it takes the shortest way from then on. */
  const beAlone = async (store = own) => {
    const stream = `alone-${++ids}`;
    for (let version = 0; version < 9; version++) await commit(store, appendTo(stream, version));
    return stream;
  };
  /** Connections of this database whose last statement was an append by the shortest way, or by another. */
  const appending = async (way: "known" | "looked up") => {
    const text = way === "known" ? "INSERT INTO viable.events%" : "SELECT%viable.append_%";
    const database = new URL(connectionString).pathname.slice(1);
    return await server.query("SELECT pid FROM pg_stat_activity WHERE datname = $1 AND query LIKE $2", [
      database,
      text,
    ]);
  };
  return { connectionString, open, own, commit, beAlone, appending };
}

test("whoever is alone takes it, and leaves no gap", async () => {
  const { own, commit, beAlone, appending } = await setup();
  await using store = own;
  const stream = await beAlone();
  for (let version = 9; version < 60; version++) {
    const batch = version % 2 === 0 ? [] : [appendTo(`more-${version}`, 0), appendTo(`and-more-${version}`, 0)];
    expect(await commit(store, appendTo(stream, version), ...batch)).toMatchObject([
      { kind: "appended", firstVersions: [version + 1] },
      ...batch.map(() => ({ kind: "appended", firstVersions: [1] })),
    ]);
    expect(await appending("known")).toHaveLength(1);
    expect(await appending("looked up")).toEqual([]);
  }
  const events = await everyEvent(store);
  expect(events.map(({ position }) => Number(position))).toEqual(events.map((_, index) => index + 1));
  expect((await store.head()).ordinal).toBe(events.length);
});

test("what another has written meanwhile is seen: versions, new streams, repeats", async () => {
  const { own, open, commit, beAlone } = await setup();
  await using store = own;
  await using other = await open();
  const stream = await beAlone();
  expect(await commit(other, appendTo(stream, 9))).toMatchObject([{ kind: "appended" }]);
  expect(await commit(store, appendTo(stream, 9))).toEqual([{ kind: "stream_conflict", stream, actual: 10 }]);
  expect(await commit(store, appendTo(stream, 10))).toMatchObject([{ kind: "appended", firstVersions: [11] }]);
  await beAlone();
  // A stream that it has never heard of is there already.
  await commit(other, appendTo("theirs", 0, "first"));
  await beAlone();
  expect(await commit(store, appendTo("theirs", 0), appendTo("mine", 0))).toMatchObject([
    { kind: "stream_conflict", stream: "theirs", actual: 1 },
    { kind: "appended", firstVersions: [1] },
  ]);
  await beAlone();
  expect(await commit(store, appendTo("theirs", 0, "first"))).toMatchObject([{ kind: "appended", repeated: true }]);
});

test("it waits for nobody, and whoever holds the lock does not fail for it", async () => {
  const { connectionString, own, commit, beAlone } = await setup();
  await using store = own;
  const stream = await beAlone();
  const { ordinal } = await store.head();
  const holder = new pg.Client(connectionString);
  await holder.connect();
  await holder.query("BEGIN");
  await holder.query("SELECT pg_advisory_xact_lock(728360441, 1)");
  const waiting = commit(store, appendTo(stream, 9));
  // It has gone on to the way that waits.
  await expect
    .poll(() => server.query("SELECT query FROM pg_stat_activity WHERE wait_event = 'advisory'"), { timeout: 20_000 })
    .toMatchObject([{ query: expect.stringContaining("append_events") }]);
  const columns = "position, stream, version, id, type, tenant, data, metadata, time";
  await holder.query(
    `INSERT INTO viable.events (${columns}) VALUES (${ordinal + 1}, '${stream}', 10, 'held', 't', 'd', '{}', '{}', 1)`,
  );
  await holder.query("COMMIT");
  await holder.end();
  expect(await waiting).toEqual([{ kind: "stream_conflict", stream, actual: 10 }]);
});

test("where the log is shorter than it was left, as after a restore, it is looked at anew", async () => {
  const { connectionString, own, commit, beAlone } = await setup();
  await using store = own;
  const stream = await beAlone();
  const { ordinal } = await store.head();
  const client = new pg.Client(connectionString);
  await client.connect();
  await client.query(`DELETE FROM viable.events WHERE position > ${ordinal - 3}`);
  await client.end();
  expect(await commit(store, appendTo(stream, 9))).toEqual([{ kind: "stream_conflict", stream, actual: 6 }]);
  expect(await commit(store, appendTo(stream, 6))).toMatchObject([{ kind: "appended", firstOrdinal: ordinal - 2 }]);
});

test("its own repeats are recognised, at a version and at any", async () => {
  const { own, commit, beAlone } = await setup();
  await using store = own;
  await beAlone();
  const first = appendTo("a", 0);
  const any = appendTo("a", -1);
  const [one, two] = [await commit(store, first), await commit(store, any)];
  for (let again = 0; again < 2; again++) {
    expect(await commit(store, first)).toEqual(one.map((outcome) => ({ ...outcome, repeated: true })));
    expect(await commit(store, any)).toEqual(two.map((outcome) => ({ ...outcome, repeated: true })));
    await beAlone();
  }
  expect((await store.readStream("a", 1, 10, "forward")).events).toHaveLength(2);
});

test("on another connection nothing is taken for known: the server behind it may have lost what we know of", async () => {
  const { connectionString, own, commit, beAlone, appending } = await setup();
  await using store = own;
  const stream = await beAlone();
  const { ordinal } = await store.head();
  for (const { pid } of await appending("known")) await server.query("SELECT pg_terminate_backend($1)", [pid]);
  // The same ordinal as before, but the last event is another's.
  const client = new pg.Client(connectionString);
  await client.connect();
  await client.query(`UPDATE viable.events SET stream = 'theirs', version = 1 WHERE position = ${ordinal}`);
  await client.end();
  await expect
    .poll(async () => (await commit(store, appendTo(stream, 9)).catch(() => undefined))?.[0])
    .toEqual({ kind: "stream_conflict", stream, actual: 8 });
  expect(await commit(store, appendTo(stream, 8))).toMatchObject([{ kind: "appended", firstVersions: [9] }]);
});
