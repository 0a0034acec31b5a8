/**
 * The membership contract over the log on each database. It stands here and not in its room, since `cluster` knows the log and no
 * database. Memberships leave nothing behind but the last epoch given, so one database serves all the tests.
 */
import { membershipContract } from "@viable/cluster/testing";
import { createRuntime } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog } from "@viable/log";
import { createPgliteStore, createPostgresStore } from "@viable/log-postgres";
import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";
import { afterAll, beforeAll, describe } from "vitest";

const cacheDir = process.env.VIABLE_TEST_CACHE_DIR;

const leaveOpen = async () => {};

describe("on PGlite, whose one store several logs share, since it takes one process", () => {
  const store = createPgliteStore({ cacheDir });
  beforeAll(() => store.open());
  afterAll(() => store.close());

  const shared: Store = { ...store, exclusive: false, open: leaveOpen, close: leaveOpen };
  membershipContract("PGlite", async () => ({
    makeLog: () => createLog(shared, createRuntime()),
    close: leaveOpen,
  }));
});

describe("on PostgreSQL, where each log has connections of its own", () => {
  let server: PostgresServer;
  let connectionString: string;
  beforeAll(async () => {
    server = await startPostgres();
    connectionString = await server.createDatabase();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  membershipContract("PostgreSQL", async () => ({
    makeLog: () => createLog(createPostgresStore({ connectionString }), createRuntime()),
    close: leaveOpen,
  }));
});
