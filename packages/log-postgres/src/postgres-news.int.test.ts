// W3 between processes on one server: word of what was written wakes the others at once, and whoever lost it looks again. The logs live
// in simulated time that stands still, so that nothing but word can wake them.
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import type { StoredEvent } from "@viable/log";
import { createLog } from "@viable/log";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPostgresStore } from "./postgres-store.ts";
import type { PostgresServer } from "./testing/index.ts";
import { startPostgres } from "./testing/index.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

async function startProcess(connectionString: string, seed: number) {
  const clock = simulateTime();
  const runtime = createRuntime({ clock, random: seededRandom(seed) });
  const ctx = rootContext(runtime);
  const store = createPostgresStore({ connectionString, clock });
  const log = createLog(store, runtime);
  await log.start(ctx);
  const heard: StoredEvent[] = [];
  log.subscribe(ctx, { name: "ears", after: "0", handle: (event) => void heard.push(event) });
  const append = async (stream: string) => {
    await log.append(ctx, { streams: [{ stream, expected: 0, events: [{ type: "t", data: {} }] }] });
    // The next word may follow.
    await clock.advance(10);
  };
  return { clock, log, heard, append, [Symbol.asyncDispose]: () => log.stop(ctx) };
}

/** Somebody who hears every word and says none. */
async function listenTo(connectionString: string, told: string[]) {
  const client = new pg.Client(connectionString);
  await client.connect();
  client.on("notification", ({ payload }) => void told.push(payload ?? ""));
  await client.query("LISTEN viable_log");
  return {
    /** What was told until now has been heard. */
    settled: () => client.query("SELECT 1"),
    [Symbol.asyncDispose]: () => client.end(),
  };
}

const streamsOf = (heard: readonly StoredEvent[]) => heard.map(({ stream }) => stream);
/** Those who listen at the server. */
const listeners =
  "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND query LIKE 'LISTEN%' OR datname = $1 AND query LIKE 'NOTIFY%'";

test("what one process writes reaches the others without their looking, events and records", async () => {
  const connectionString = await server.createDatabase();
  await using one = await startProcess(connectionString, 1);
  await using two = await startProcess(connectionString, 2);
  const databaseName = new URL(connectionString).pathname.slice(1);
  await expect.poll(async () => (await server.query(listeners, [databaseName])).length).toBe(2);
  await one.append("a");
  await expect.poll(() => streamsOf(two.heard)).toEqual(["a"]);
  await two.append("b");
  await expect.poll(() => streamsOf(one.heard)).toEqual(["a", "b"]);
  const watched: string[] = [];
  const ctx = rootContext(createRuntime());
  await two.log.watchRecords(ctx, "lease/", ({ key }) => void watched.push(key));
  await one.log.append(ctx, { records: [{ key: "lease/1", value: 1, expected: 0 }] });
  await expect.poll(() => watched).toEqual(["lease/1"]);
});

test("who is alone tells nobody; who comes is heard of, and counts as gone when it has not been heard of for long", async () => {
  const connectionString = await server.createDatabase();
  await using one = await startProcess(connectionString, 1);
  const told: string[] = [];
  await using ears = await listenTo(connectionString, told);
  for (let nr = 0; nr < 5; nr++) await one.append(`alone-${nr}`);
  await ears.settled();
  expect(told).not.toContain("written");
  {
    await using two = await startProcess(connectionString, 2);
    await expect.poll(() => told).toEqual(expect.arrayContaining(["hello", "here"]));
    await one.append("together");
    await expect.poll(() => streamsOf(two.heard)).toContain("together");
    await expect.poll(() => told).toContain("written");
  }
  await one.clock.advance(91_000);
  told.length = 0;
  await one.append("alone again");
  await ears.settled();
  expect(told).not.toContain("written");
});

test("a listener whose connection was cut misses what is told meanwhile, finds it by looking, and listens again", async () => {
  const connectionString = await server.createDatabase();
  await using one = await startProcess(connectionString, 1);
  await using two = await startProcess(connectionString, 2);
  const databaseName = new URL(connectionString).pathname.slice(1);
  const count = async () => (await server.query(listeners, [databaseName])).length;
  await expect.poll(count).toBe(2);
  const cut = await server.query(`SELECT pg_terminate_backend(pid) FROM (${listeners}) AS l`, [databaseName]);
  expect(cut).toHaveLength(2);
  await expect.poll(count).toBe(0);
  // Nobody hears of this one.
  await one.append("missed");
  await expect
    .poll(async () => {
      await two.clock.advance(100);
      return streamsOf(two.heard);
    })
    .toEqual(["missed"]);
  await expect
    .poll(async () => {
      await one.clock.advance(100);
      return await count();
    })
    .toBe(2);
  await one.append("heard");
  await expect.poll(() => streamsOf(two.heard)).toEqual(["missed", "heard"]);
});
