// Migrations: what they add up to is in schema.sql, alike on both servers; they are applied once, whoever comes first; and a
// database that a later release has migrated is left alone.
import { systemClock } from "@viable/kernel";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrations } from "./migrations.ts";
import { PgliteSession } from "./pglite-session.ts";
import { createPostgresStore } from "./postgres-store.ts";
import { dumpSchema } from "./testing/dump-schema.ts";
import type { PostgresServer } from "./testing/index.ts";
import { startPostgres } from "./testing/index.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

async function connect(connectionString: string) {
  const client = new pg.Client(connectionString);
  await client.connect();
  return {
    query: async (text: string) => (await client.query<Record<string, unknown>>(text)).rows,
    [Symbol.asyncDispose]: () => client.end(),
  };
}

test("PostgreSQL, migrated from nothing, has the schema of schema.sql", async () => {
  const connectionString = await server.createDatabase();
  const store = createPostgresStore({ connectionString });
  await store.open();
  await store.close();
  await using client = await connect(connectionString);
  await expect(await dumpSchema(client.query)).toMatchFileSnapshot("../schema.sql");
});

test("PGlite, migrated from nothing, has the schema of schema.sql", async () => {
  const session = new PgliteSession({ cacheDir: process.env.VIABLE_TEST_CACHE_DIR }, systemClock);
  await session.open();
  const dump = await dumpSchema((text) => session.read({ text }, []).then((rows) => [...rows]));
  await session.close();
  await expect(dump).toMatchFileSnapshot("../schema.sql");
});

test("stores that open an empty database at the same time all find it migrated, once", async () => {
  const connectionString = await server.createDatabase();
  const stores = Array.from({ length: 4 }, () => createPostgresStore({ connectionString }));
  await Promise.all(stores.map((store) => store.open()));
  expect(await Promise.all(stores.map((store) => store.head()))).toEqual(stores.map(() => ({ ordinal: 0, change: 0 })));
  await Promise.all(stores.map((store) => store.close()));
  await using client = await connect(connectionString);
  expect(await client.query("SELECT version FROM viable.schema_version ORDER BY version")).toEqual(
    migrations.map((_, index) => ({ version: index + 1 })),
  );
});

test("a database that a later release has migrated is refused and left as it is", async () => {
  const connectionString = await server.createDatabase();
  const store = createPostgresStore({ connectionString });
  await store.open();
  await store.close();
  await using client = await connect(connectionString);
  await client.query("INSERT INTO viable.schema_version (version) VALUES (999)");
  await expect(store.open()).rejects.toMatchObject({ code: "log.database_too_new", details: { found: 999 } });
});

test("a database that is not UTF-8 is refused", async () => {
  await server.query("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
  const url = new URL(server.connectionString);
  url.pathname = "/latin";
  await expect(createPostgresStore({ connectionString: url.href }).open()).rejects.toMatchObject({
    code: "log.store_refused",
  });
  await server.query("DROP DATABASE latin WITH (FORCE)");
});
