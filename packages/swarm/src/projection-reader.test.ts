// What an agent reads of a projection's records while generations change under it, over a log in memory and in simulated time.
import { createRuntime, rootContext, seededRandom, simulateTime, withContext } from "@viable/kernel";
import type { Projection } from "@viable/log";
import { createLog, createMemoryStore, createProjections } from "@viable/log";
import { expect, test } from "vitest";
import { readProjection } from "./projection-reader.ts";

/** How much each tenant has paid so far. */
const totals: Projection = {
  name: "totals",
  version: 1,
  filter: { types: ["paid"] },
  project: (events, { key }) => ({
    records: [...new Map(events.map((event) => [event.metadata.tenant, event.data.total as number]))].map(
      ([tenant, total]) => ({ key: key(tenant, "total"), value: total, expected: "any" }),
    ),
  }),
};

async function setup() {
  const time = simulateTime();
  const ctx = rootContext(createRuntime({ clock: time, random: seededRandom(1) }));
  const log = createLog(createMemoryStore(), ctx.runtime);
  await log.start(ctx);
  const projections = createProjections(log, [totals]);
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let done = false;
    const noted = promise.finally(() => {
      done = true;
    });
    noted.catch(() => {});
    await time.until(() => done, 60_000);
    return await noted;
  };
  const pay = async (tenant: string, total: number) => {
    await log.append(withContext(ctx, { tenant }), {
      streams: [{ stream: `payments:${tenant}`, expected: "any", events: [{ type: "paid", data: { total } }] }],
    });
  };
  return { time, ctx, log, projections, settled, pay };
}

test("a reader that is kept reads what is live, also long after another generation has taken the place", async () => {
  const { time, ctx, log, projections, settled, pay } = await setup();
  await settled(projections.start(ctx));
  await pay("acme", 1);
  await settled(projections.untilCaughtUp(ctx, "totals"));
  const acme = withContext(ctx, { tenant: "acme" });
  const reader = readProjection(acme, log, projections, "totals");
  expect([reader.table, await reader.get("total")]).toEqual(["totals_1", 1]);
  await settled(projections.rebuild(ctx, "totals"));
  await pay("acme", 2);
  await time.advance(5_000);
  expect([reader.table, await reader.get("total")]).toEqual(["totals_2", 2]);
  // What the first generation has kept is taken away.
  await time.advance(5 * 60_000);
  expect((await log.listRecords(ctx, "projected/totals/1/")).records).toEqual([]);
  expect(await reader.get("total")).toBe(2);
  await settled(projections.stop(ctx));
});

test("W11: a record is read for the tenant of the reader, whatever the key", async () => {
  const { ctx, log, projections, settled, pay } = await setup();
  await settled(projections.start(ctx));
  await pay("acme", 1);
  await pay("acme/total", 3);
  await settled(projections.untilCaughtUp(ctx, "totals"));
  const reader = (tenant: string) => readProjection(withContext(ctx, { tenant }), log, projections, "totals");
  expect(await reader("acme").get("total")).toBe(1);
  expect(await reader("acme/total").get("total")).toBe(3);
  expect(await reader("other").get("total")).toBeUndefined();
  expect(await reader("other").get("../acme/total")).toBeUndefined();
  await settled(projections.stop(ctx));
});

test("one that is built for the first time says so at once", async () => {
  const { ctx, log, projections } = await setup();
  expect(() => readProjection(ctx, log, projections, "totals")).toThrow("built for the first time");
});
