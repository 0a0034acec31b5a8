// A way to the server that lets one in and then answers nothing: what is asked is turned away in time, and no connection is left behind.
import { setTimeout } from "node:timers/promises";
import { createRuntime } from "@viable/kernel";
import { storeUnavailable } from "@viable/log";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectOwn } from "./postgres-connection.ts";
import { createPostgresStore } from "./postgres-store.ts";
import type { PostgresServer } from "./testing/index.ts";
import { startPostgres } from "./testing/index.ts";
import { startProxy } from "./testing/start-proxy.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

const append = {
  streams: [],
  records: [{ key: "k", expected: -1, value: "1", expiresAt: null }],
};

async function openThroughProxy(statementTimeoutMs = 100) {
  const proxy = await startProxy(await server.createDatabase());
  const store = createPostgresStore({ connectionString: proxy.connectionString, statementTimeoutMs });
  await store.open();
  return { proxy, store };
}

test("W10: commits that cannot connect leave no connection behind, however often they try", async () => {
  const { proxy, store } = await openThroughProxy();
  await using _ = proxy;
  await store.commit([append], 1);
  expect(proxy.open).toBe(1);
  proxy.stalls = true;
  for (let time = 0; time < 3; time++) {
    await expect(store.commit([append], 1)).rejects.toMatchObject({ code: storeUnavailable, retryable: true });
  }
  await expect.poll(() => proxy.open).toBe(0);
  proxy.stalls = false;
  expect((await store.commit([append], 1)).outcomes).toMatchObject([{ kind: "appended" }]);
  await store.close();
  await expect.poll(() => proxy.open).toBe(0);
});

test("W10: closing does not wait for ever for a server that does not answer", async () => {
  const { proxy, store } = await openThroughProxy();
  await using _ = proxy;
  await Promise.all([store.commit([append], 1), store.head()]);
  expect(proxy.open).toBe(2);
  proxy.stalls = true;
  await store.close();
  await expect.poll(() => proxy.open).toBe(0);
});

/** As a system has it: far longer than a network takes to forget a connection. */
const longMs = 15_000;

test("a connection that the network forgot is given up long before a statement may take as long, and the next works", async () => {
  const { proxy, store } = await openThroughProxy(longMs);
  await using _ = proxy;
  await Promise.all([store.commit([append], 1), store.head()]);
  proxy.forget();
  const beganMs = performance.now();
  const lost = await Promise.allSettled([store.commit([append], 1), store.head()]);
  for (const { status, reason } of lost as PromiseRejectedResult[])
    expect([status, reason.code, reason.retryable]).toEqual(["rejected", storeUnavailable, true]);
  expect(performance.now() - beganMs).toBeLessThan(longMs / 2);
  expect((await store.commit([append], 1)).outcomes).toMatchObject([{ kind: "appended" }]);
  expect(await store.head()).toMatchObject({ change: 2 });
  await store.close();
});

test("a statement that waits for a lock keeps its connection, however long that is", async () => {
  const { proxy, store } = await openThroughProxy(longMs);
  await using _ = proxy;
  await store.commit([append], 1);
  await using holder = await connectOwn({ connectionString: proxy.connectionString }, createRuntime().clock);
  await holder.connection.script("BEGIN; SELECT pg_advisory_xact_lock(728360441, 1)");
  const waiting = store.commit([append], 1);
  // Twice as long as it takes until the server is asked.
  expect(await Promise.race([waiting, setTimeout(5_000, "waits")])).toBe("waits");
  await holder.connection.script("COMMIT");
  expect((await waiting).outcomes).toMatchObject([{ kind: "appended", recordVersions: [2] }]);
  await store.close();
});
