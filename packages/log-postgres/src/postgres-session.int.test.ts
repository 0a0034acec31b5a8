// A way to the server that lets one in and then answers nothing: what is asked is turned away in time, and no connection is left behind.
import { storeUnavailable } from "@viable/log";
import { afterAll, beforeAll, expect, test } from "vitest";
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

async function openThroughProxy() {
  const proxy = await startProxy(await server.createDatabase());
  const store = createPostgresStore({ connectionString: proxy.connectionString, statementTimeoutMs: 100 });
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
