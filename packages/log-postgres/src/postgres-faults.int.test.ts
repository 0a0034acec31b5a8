// What PostgreSQL is for: several writers at once, and a network between us and it. Each test names the promise it tries to
// break, and checks that the breaking was really tried.
import { setImmediate } from "node:timers/promises";
import { createRuntime, rootContext } from "@viable/kernel";
import type { EncodedAppend } from "@viable/log";
import { createLog, storeUnavailable, toOrdinal } from "@viable/log";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrationLock } from "./migrate.ts";
import type { PostgresStoreOptions } from "./postgres-store.ts";
import { createPostgresStore } from "./postgres-store.ts";
import type { PostgresServer } from "./testing/index.ts";
import { startPostgres } from "./testing/index.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

async function openStore(connectionString: string, options: Partial<PostgresStoreOptions> = {}) {
  const store = createPostgresStore({ connectionString, ...options });
  await store.open();
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

let ids = 0;
const appendTo = (stream: string, expected = -1, id = `e${++ids}`): EncodedAppend => ({
  streams: [
    {
      stream,
      expected,
      events: [{ id, type: "t", data: "{}", tenant: "d", session: null, correlation: null, metadata: "{}", time: 1 }],
    },
  ],
  records: [],
});

test("W9: with four writers, a reader never sees a position before the one it follows", async () => {
  const connectionString = await server.createDatabase();
  await using reader = await openStore(connectionString);
  let writing = true;
  let seen = 0;
  let pages = 0;
  // The reader must have looked while the writers were at it, or it has shown nothing: they go on until it has, for a while.
  const [minCommits, maxCommits, minPages] = [60, 2_000, 20];
  const writers = Promise.all(
    Array.from({ length: 4 }, async (_, writer) => {
      await using store = await openStore(connectionString);
      for (let round = 0; round < minCommits || (pages <= minPages && round < maxCommits); round++) {
        // Batches of different sizes, so that commits take different times.
        const size = 1 + ((round * (writer + 3)) % 7);
        await store.commit(
          Array.from({ length: size }, (_, nr) => appendTo(`w${writer}-${round}-${nr}`)),
          1,
        );
      }
    }),
  ).finally(() => {
    writing = false;
  });
  for (let last = false; !last; ) {
    last = !writing;
    const { events } = await reader.readAll(seen, 1_000, "forward", {});
    const { ordinal } = await reader.head();
    expect(events.map((event) => toOrdinal(event.position))).toEqual(events.map((_, index) => seen + index + 1));
    seen += events.length;
    expect(ordinal).toBeGreaterThanOrEqual(seen);
    if (events.length > 0) pages += 1;
  }
  await writers;
  expect(seen).toBe((await reader.head()).ordinal);
  expect(pages).toBeGreaterThan(minPages);
});

test("expected versions hold between processes: of many who append at the same version, one does", async () => {
  const connectionString = await server.createDatabase();
  await using first = await openStore(connectionString);
  await using second = await openStore(connectionString);
  for (let version = 0; version < 50; version++) {
    const outcomes = await Promise.all(
      [first, second, first, second].map(
        async (store) => (await store.commit([appendTo("contested", version)], 1)).outcomes,
      ),
    );
    expect(
      outcomes
        .flat()
        .map((outcome) => outcome.kind)
        .sort(),
    ).toEqual(["appended", "stream_conflict", "stream_conflict", "stream_conflict"]);
  }
});

test("W1: connections that are cut during appends lose no answered append and write none twice", async () => {
  const connectionString = await server.createDatabase();
  const runtime = createRuntime();
  const ctx = rootContext(runtime);
  const log = createLog(createPostgresStore({ connectionString }), runtime);
  await log.start(ctx);
  const database = new URL(connectionString).pathname.slice(1);
  let cuts = 0;
  let appending = true;
  const answered: string[] = [];
  const cutting = (async () => {
    // Each cut waits until the one before it has been got over, or nothing would ever be appended.
    for (let answeredAtCut = -1; appending; await setImmediate()) {
      if (answered.length < answeredAtCut + 50) continue;
      const cut = await server.query(
        `SELECT count(pg_terminate_backend(pid)) AS cuts FROM pg_stat_activity
         WHERE datname = $1 AND application_name = 'viable' AND state = 'active'`,
        [database],
      );
      if (Number(cut[0]?.cuts) === 0) continue;
      cuts += 1;
      answeredAtCut = answered.length;
    }
  })();
  const total = 1_500;
  let next = 0;
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      while (next < total || cuts < 5) {
        const id = `append-${next++}`;
        const outcome = await log.append(ctx, {
          streams: [{ stream: `s-${id}`, expected: 0, events: [{ type: "t", data: {}, id }] }],
        });
        // A conflict would mean that a repeat was not recognised as one.
        expect(outcome).toMatchObject({ ok: true });
        answered.push(id);
      }
    }),
  );
  appending = false;
  await cutting;
  expect(cuts).toBeGreaterThanOrEqual(5);
  const stored: string[] = [];
  for (let from = "0"; ; ) {
    const page = await log.readAll(ctx, { from, limit: 1_000 });
    stored.push(...page.map((event) => event.id));
    const last = page.at(-1);
    if (last === undefined) break;
    from = last.position;
  }
  await log.stop(ctx);
  expect(stored.sort()).toEqual(answered.sort());
});

test("idle connections that were cut are replaced without anybody noticing more than one failed call", async () => {
  const connectionString = await server.createDatabase();
  await using store = await openStore(connectionString);
  await store.commit([appendTo("a")], 1);
  await server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [
    new URL(connectionString).pathname.slice(1),
  ]);
  const attempts = [];
  for (let attempt = 0; attempt < 2; attempt++) {
    attempts.push(
      await store.head().then(
        () => "answered",
        (error: { code: string; retryable: boolean }) => {
          expect(error).toMatchObject({ code: storeUnavailable, retryable: true });
          return "failed";
        },
      ),
    );
  }
  expect(attempts.at(-1)).toBe("answered");
  expect(await store.head()).toMatchObject({ ordinal: 1 });
});

test("a commit that has to wait too long is unavailable, retryable, and works once what it waited for is gone", async () => {
  const connectionString = await server.createDatabase();
  await using store = await openStore(connectionString, { statementTimeoutMs: 200 });
  const holder = new pg.Client(connectionString);
  await holder.connect();
  await holder.query("BEGIN");
  await holder.query("SELECT pg_advisory_xact_lock(728360441, 1)");
  const append = appendTo("a", 0);
  await expect(store.commit([append], 1)).rejects.toMatchObject({ code: storeUnavailable, retryable: true });
  // Reads wait for nobody.
  expect(await store.head()).toEqual({ ordinal: 0, change: 0 });
  await holder.query("ROLLBACK");
  await holder.end();
  expect((await store.commit([append], 1)).outcomes).toMatchObject([{ kind: "appended", firstOrdinal: 1 }]);
});

test("W9: a database whose transactions see one moment by default is no obstacle to two stores", async () => {
  const connectionString = await server.createDatabase();
  const database = new URL(connectionString).pathname.slice(1);
  await server.query(`ALTER DATABASE ${database} SET default_transaction_isolation = 'serializable'`);
  // Both migrate, too.
  const stores = await Promise.all([openStore(connectionString), openStore(connectionString)]);
  await using one = stores[0];
  await using other = stores[1];
  const outcomes = await Promise.all(
    [one, other].map(async (store) => {
      const kinds: unknown[] = [];
      for (let nr = 0; nr < 30; nr++) kinds.push((await store.commit([appendTo("a", -1)], 1)).outcomes[0]?.kind);
      return kinds;
    }),
  );
  expect(outcomes.flat()).toEqual(Array.from({ length: 60 }, () => "appended"));
  expect((await one.readStream("a", 1, 100, "forward")).events).toHaveLength(60);
});

describe("while another process migrates", () => {
  /** A database whose migration another process is at, and a store that waits for it; `waiting` answers for how long, by its process. */
  async function waitForMigration(options: Partial<PostgresStoreOptions> = {}) {
    const connectionString = await server.createDatabase();
    const migrating = new pg.Client(connectionString);
    await migrating.connect();
    await migrating.query("BEGIN");
    await migrating.query(`SELECT pg_advisory_xact_lock(${migrationLock})`);
    const store = createPostgresStore({ connectionString, ...options });
    const opened = store.open();
    opened.catch(() => {});
    const waiting = async (ms: number) => {
      const [row] = await server.query(
        `SELECT pid FROM pg_stat_activity
         WHERE datname = $1 AND wait_event = 'advisory' AND query_start < clock_timestamp() - $2::int * interval '1 ms'`,
        [new URL(connectionString).pathname.slice(1), ms],
      );
      return row?.pid;
    };
    const finish = async () => {
      await migrating.query("COMMIT");
      await migrating.end();
    };
    return { store, opened, waiting, finish };
  }

  test("a store waits for it longer than any other statement may take", async () => {
    const { store, opened, waiting, finish } = await waitForMigration({ statementTimeoutMs: 50 });
    await expect.poll(() => waiting(200), { timeout: 20_000 }).toBeDefined();
    await finish();
    await opened;
    expect(await store.head()).toEqual({ ordinal: 0, change: 0 });
    await store.close();
  });

  test("W10: and not for ever", async () => {
    const { opened, finish } = await waitForMigration({ migrationTimeoutMs: 50 });
    await expect(opened).rejects.toMatchObject({ code: storeUnavailable, retryable: true });
    await finish();
  });

  test("a connection that is cut while it waits is an error of that start, and not the end of the process", async () => {
    const { store, opened, waiting, finish } = await waitForMigration();
    await expect.poll(() => waiting(0), { timeout: 20_000 }).toBeDefined();
    await server.query("SELECT pg_terminate_backend($1)", [await waiting(0)]);
    await expect(opened).rejects.toMatchObject({ code: storeUnavailable, retryable: true });
    await finish();
    await store.open();
    expect(await store.head()).toEqual({ ordinal: 0, change: 0 });
    await store.close();
  });
});

test("a server that is not there is unavailable, not a hang", async () => {
  const store = createPostgresStore({ connectionString: "postgres://nobody@127.0.0.1:1/none", connectTimeoutMs: 500 });
  await expect(store.open()).rejects.toMatchObject({ code: storeUnavailable, retryable: true });
  await expect(store.head()).rejects.toMatchObject({ code: storeUnavailable });
});

test("a wrong password, or a database that does not exist, is refused", async () => {
  const url = new URL(server.connectionString);
  url.pathname = "/does_not_exist";
  await expect(createPostgresStore({ connectionString: url.href }).open()).rejects.toMatchObject({
    code: "log.store_refused",
    retryable: false,
  });
});

test("durability is what the server's settings make true, and what is missing is said", async () => {
  const connectionString = await server.createDatabase();
  const fsync = (await server.query("SELECT current_setting('fsync') AS fsync"))[0]?.fsync === "on";
  const store = createPostgresStore({ connectionString });
  expect(store.durability).toBe("nothing");
  await store.open();
  expect(store.durability).toBe(fsync ? "power-loss" : "process-crash");
  expect(store.warnings.map((warning) => warning.code)).toEqual(fsync ? [] : ["log.fsync_off"]);
  await store.close();
  await server.query(`ALTER DATABASE ${new URL(connectionString).pathname.slice(1)} SET synchronous_commit = off`);
  await store.open();
  expect(store.durability).toBe("nothing");
  expect(store.warnings[0]).toMatchObject({ code: "log.synchronous_commit_off" });
  await store.close();
});

test("a server that waits for its disk is said to survive a power cut", async () => {
  await using durable = await startPostgres({ own: true, fsync: true });
  await using store = await openStore(await durable.createDatabase());
  expect(store.durability).toBe("power-loss");
  expect(store.warnings).toEqual([]);
});
