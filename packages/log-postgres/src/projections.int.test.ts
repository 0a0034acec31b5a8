// Projections into tables, on both databases: rows and progress in one flush, rebuilt beside and dropped, and built anew where a log was
// restored without them.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRuntime, rootContext } from "@viable/kernel";
import type { Log, Projection, Store } from "@viable/log";
import { createLog, createProjections } from "@viable/log";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPgliteStore } from "./pglite-store.ts";
import { createPostgresStore } from "./postgres-store.ts";
import type { PostgresServer } from "./testing/index.ts";
import { startPostgres } from "./testing/index.ts";

const cacheDir = process.env.VIABLE_TEST_CACHE_DIR;

let server: PostgresServer;
let folder: string;
beforeAll(async () => {
  server = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), "viable-projections-"));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** How much each customer has paid, in a table that only SQL adds to. Nobody pays a negative amount: the table says so. */
const totals: Projection = {
  name: "totals",
  version: 1,
  filter: { types: ["paid"] },
  create: ({ table }) => [
    { sql: `CREATE TABLE ${table} (customer text PRIMARY KEY, total bigint NOT NULL CHECK (total >= 0))`, params: [] },
  ],
  project: (events, { table }) => ({
    with: events.map(({ data }) => ({
      sql: `INSERT INTO ${table} AS t VALUES ($1, $2::bigint) ON CONFLICT (customer) DO UPDATE SET total = t.total + excluded.total`,
      params: [String(data.customer), String(data.amount)],
      rows: 1,
    })),
  }),
  drop: ({ table }) => [{ sql: `DROP TABLE ${table}`, params: [] }],
};

const runtime = createRuntime();
const ctx = rootContext(runtime);

async function startProcess(store: Store, projection = totals) {
  const log = createLog(store, runtime);
  await log.start(ctx);
  const projections = createProjections(log, [projection]);
  await projections.start(ctx);
  return {
    log,
    projections,
    pay: (customer: string, ...amounts: number[]) =>
      log.append(ctx, {
        streams: [
          {
            stream: "payments",
            expected: "any",
            events: amounts.map((amount) => ({ type: "paid", data: { customer, amount } })),
          },
        ],
      }),
    async read() {
      const { table } = await projections.untilCaughtUp(ctx, "totals");
      return await rowsOf(log, table);
    },
    async [Symbol.asyncDispose]() {
      await projections.stop(ctx);
      await log.stop(ctx);
    },
  };
}

const rowsOf = async (log: Log, table: string) =>
  Object.fromEntries(
    (await log.query(ctx, { sql: `SELECT customer, total FROM ${table} ORDER BY customer`, params: [] })).map((row) => [
      row.customer,
      row.total,
    ]),
  );

describe.each([
  ["PGlite", async (name: string) => createPgliteStore({ dataDir: join(folder, name), cacheDir })],
  ["PostgreSQL", async () => createPostgresStore({ connectionString: await server.createDatabase() })],
])("on %s", (_, makeStore) => {
  test("each event is in the table once, also over restarts; a row the table refuses parks it", async () => {
    const store = await makeStore("once");
    {
      await using one = await startProcess(store);
      await one.pay("ada", 1, 2);
      await one.pay("bob", 10);
      expect(await one.read()).toEqual({ ada: 3, bob: 10 });
      await one.pay("ada", 4);
    }
    await using two = await startProcess(store);
    expect(await two.read()).toEqual({ ada: 7, bob: 10 });
    await two.pay("bob", 5, -100, 1);
    await expect(two.read()).rejects.toMatchObject({
      code: "log.projection_parked",
      message: expect.stringContaining("totals_1_total_check"),
    });
    const [status] = await two.projections.status(ctx);
    await two.projections.skip(ctx, "totals", status?.parked?.position as string, "a mistake");
    await expect.poll(() => two.read().catch(() => undefined), { timeout: 10_000 }).toEqual({ ada: 7, bob: 16 });
  });

  test("immediate: who was answered reads what came of it, and what the table refuses harms no append", async () => {
    await using one = await startProcess(await makeStore("immediate"), { ...totals, consistency: "immediate" });
    const { table } = await one.projections.untilCaughtUp(ctx, "totals");
    await Promise.all([one.pay("ada", 1), one.pay("bob", 2), one.pay("ada", 3)]);
    expect(await rowsOf(one.log, table)).toEqual({ ada: 4, bob: 2 });
    expect(await one.pay("bob", -5)).toMatchObject({ ok: true });
    expect(await one.pay("ada", 1)).toMatchObject({ ok: true });
    await expect
      .poll(() => one.projections.status(ctx), { timeout: 10_000 })
      .toMatchObject([{ parked: { message: expect.stringContaining("totals_1_total_check") } }]);
    const [status] = await one.projections.status(ctx);
    await one.projections.skip(ctx, "totals", status?.parked?.position as string, "a mistake");
    await expect.poll(() => rowsOf(one.log, table), { timeout: 10_000 }).toEqual({ ada: 5, bob: 2 });
    await one.pay("cid", 7);
    expect(await rowsOf(one.log, table)).toEqual({ ada: 5, bob: 2, cid: 7 });
  });

  test("another generation is built beside and read when it is whole", async () => {
    await using one = await startProcess(await makeStore("beside"));
    await one.pay("ada", 1, 2);
    await one.read();
    // Somebody has spoilt the table.
    const spoil = { sql: "UPDATE totals_1 SET total = 0", params: [] };
    await one.log.append(ctx, { records: [{ key: "spoilt", value: true, expected: 0 }], with: [spoil] });
    expect(await one.read()).toEqual({ ada: 0 });
    expect(await one.projections.rebuild(ctx, "totals")).toBe(2);
    await expect.poll(() => one.projections.target("totals")?.table, { timeout: 10_000 }).toBe("totals_2");
    expect(await one.read()).toEqual({ ada: 3 });
  });

  test("of a log that was restored the tables are built anew", async () => {
    const pages = [];
    {
      const store = await makeStore("before");
      await using one = await startProcess(store);
      await one.pay("ada", 1, 2);
      await one.read();
      for await (const page of store.snapshot()) pages.push(page);
    }
    const restored = await makeStore("after");
    await restored.restore(
      (async function* () {
        yield* pages;
      })(),
    );
    await restored.close();
    await using two = await startProcess(restored);
    await expect.poll(() => two.read().catch(() => undefined), { timeout: 15_000 }).toEqual({ ada: 3 });
    expect(two.projections.target("totals")?.generation).toBe(2);
  });
});
