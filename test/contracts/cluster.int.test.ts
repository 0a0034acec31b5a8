/**
 * The contracts of memberships, singletons and placements over the log on each database. They stand here and not in their room, since `cluster`
 * knows the log and no database. Memberships leave nothing behind but the last epoch given, and each test of the others has names of its own, so
 * one database serves all the tests.
 */
import { membershipContract, placementContract, singletonsContract } from "@viable/cluster/testing";
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
  const makeWorld = async () => ({ makeLog: () => createLog(shared, createRuntime()), close: leaveOpen });
  membershipContract("PGlite", makeWorld);
  singletonsContract("PGlite", makeWorld);
  placementContract("PGlite", makeWorld);
});

describe("on PostgreSQL, where each log has connections of its own", () => {
  let server: PostgresServer;
  let connectionString: string;
  beforeAll(async () => {
    server = await startPostgres();
    connectionString = await server.createDatabase();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const makeWorld = async () => ({
    makeLog: () => createLog(createPostgresStore({ connectionString }), createRuntime()),
    close: leaveOpen,
  });
  membershipContract("PostgreSQL", makeWorld);
  singletonsContract("PostgreSQL", makeWorld);
  placementContract("PostgreSQL", makeWorld);
});
