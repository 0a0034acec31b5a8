/** What an agent reads of a projection's tables, in a database: through rebuilds, and with two tenants in one table. */
import { createRuntime, rootContext, seededRandom, simulateTime, withContext } from "@viable/kernel";
import type { Projection } from "@viable/log";
import { createLog, createProjections } from "@viable/log";
import { createPgliteStore } from "@viable/log-postgres";
import { readProjection } from "@viable/swarm";
import { expect, test } from "vitest";

const cacheDir = process.env.VIABLE_TEST_CACHE_DIR;

/** What everybody has paid: the tenant stands in each row, and a query compares it. */
const payments: Projection = {
  name: "payments",
  version: 1,
  filter: { types: ["paid"] },
  create: ({ table }) => [{ sql: `CREATE TABLE ${table} (tenant text NOT NULL, amount bigint NOT NULL)`, params: [] }],
  project: (events, { table }) => ({
    with: events.map(({ data, metadata }) => ({
      sql: `INSERT INTO ${table} VALUES ($1, $2::bigint)`,
      params: [metadata.tenant, String(data.amount)],
    })),
  }),
  drop: ({ table }) => [{ sql: `DROP TABLE ${table}`, params: [] }],
};

test("queries with the tenant keep tenants apart, also of a reader that outlives the generation it began with", async () => {
  const time = simulateTime();
  const ctx = rootContext(createRuntime({ clock: time, random: seededRandom(1) }));
  const log = createLog(createPgliteStore({ cacheDir }), ctx.runtime);
  await log.start(ctx);
  const projections = createProjections(log, [payments]);
  /** Moves time on while the database works in its own. */
  const eventually = (look: () => Promise<unknown>) =>
    expect.poll(
      async () => {
        await time.advance(1_000);
        return await look();
      },
      { timeout: 30_000, interval: 5 },
    );
  try {
    await projections.start(ctx);
    for (const [tenant, amount] of [
      ["acme", 1],
      ["other", 10],
      ["acme", 2],
    ] as const) {
      await log.append(withContext(ctx, { tenant }), {
        streams: [{ stream: `payments:${tenant}`, expected: "any", events: [{ type: "paid", data: { amount } }] }],
      });
    }
    await eventually(async () => (await projections.status(ctx))[0]).toMatchObject({ state: "live", lagEvents: 0 });

    const readerOf = (tenant: string) => readProjection(withContext(ctx, { tenant }), log, projections, "payments");
    const [acme, other] = [readerOf("acme"), readerOf("other")];
    const amounts = async (reader: typeof acme) =>
      (
        await reader.query(`SELECT amount FROM ${reader.table} WHERE tenant = $1 AND amount < $2::bigint ORDER BY 1`, [
          "100",
        ])
      ).map((row) => Number(row.amount));
    expect([await amounts(acme), await amounts(other)]).toEqual([[1, 2], [10]]);
    await expect(acme.query(`SELECT amount FROM ${acme.table}`)).rejects.toMatchObject({
      code: "projection.no_tenant",
    });

    const first = acme.table;
    await projections.rebuild(ctx, "payments");
    await eventually(async () => projections.target("payments")?.generation).toBe(2);
    const isThere = async () =>
      (await log.query(ctx, { sql: "SELECT 1 FROM pg_tables WHERE tablename = $1", params: [first] })).length;
    await eventually(isThere).toBe(0);
    expect([await amounts(acme), await amounts(other)]).toEqual([[1, 2], [10]]);
  } finally {
    await projections.stop(ctx);
    await log.stop(ctx);
  }
});
