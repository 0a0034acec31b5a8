/**
 * Advice on a database that runs: the embedded one, in a system as it is started, with as many events as it takes for a plan to show
 * what is wrong with it. What was recorded from a server is in `query-optimizer.test.ts`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRuntime, rootContext } from "@viable/kernel";
import { defineSystem } from "viable";
import { openSystem } from "viable/run";
import { afterAll, beforeAll, expect, test } from "vitest";
import { storage } from "../index.ts";

const ctx = rootContext(createRuntime());
const folder = mkdtempSync(join(tmpdir(), "singularity-queries-"));
let opened: Awaited<ReturnType<typeof openSystem>>;

beforeAll(async () => {
  opened = await openSystem(ctx, defineSystem({ name: "part", services: [storage] }), {
    stateDir: join(folder, ".viable"),
    databaseUrl: undefined,
    cacheDir: process.env.VIABLE_TEST_CACHE_DIR,
    host: "127.0.0.1",
    port: 0,
    threads: 1,
    servicePorts: "any",
  });
  for (let round = 0; round < 12; round++) {
    const ended = { type: "session.ended", data: { by: "owner", reason: "one of a crowd" } };
    const events = Array.from({ length: 1_000 }, () => ended);
    const stream = `crowd/${round}`;
    await opened.system.log.append(ctx, { streams: [{ stream, expected: 0, events, correlation: "exe_crowd" }] });
  }
});
afterAll(async () => {
  await opened.close(ctx);
  rmSync(folder, { recursive: true, force: true });
});

async function optimize(args: object, clientType = "cli"): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${opened.system.ownerToken}` };
  const post = async (path: string, body: object) => {
    const request = new Request(`http://test.invalid/v1${path}`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
    return (await (await opened.system.fetch(request)).json()) as Record<string, unknown>;
  };
  const { sessionId } = await post("/sessions", { clientType });
  return await post(`/sessions/${sessionId}/commands`, { command: "query_optimization", args, mode: "sync" });
}

test("the log's own statement that reads past everything else is told an index, with rows that were really met", async () => {
  // What is asked for is of the last events: a command's own, of which there are few among many.
  const answer = await optimize({ statement: "viable_read_all_forward_correlation" });
  expect(answer).toMatchObject({
    status: "completed",
    result: {
      origin: "measured",
      advice: expect.arrayContaining([
        expect.objectContaining({
          kind: "missing_index",
          table: "viable.events",
          action: 'CREATE INDEX ON viable.events (correlation, partition, "position")',
        }),
      ]),
    },
  });
  expect(JSON.stringify(answer.result)).toMatch(/12,0\d\d rows were read/);
});

test("one that has its index is left in peace, and so is a SELECT by a key", async () => {
  for (const args of [{ statement: "viable_get_records" }, { sql: "SELECT * FROM viable.events WHERE id = 'x'" }]) {
    expect(await optimize(args)).toMatchObject({ status: "completed", result: { advice: [] } });
  }
});

test("what is not a SELECT is refused by the database, and nothing is gone", async () => {
  const before = await opened.system.log.head(ctx);
  const answer = await optimize({ sql: "DELETE FROM viable.events" });
  expect(answer).toMatchObject({ status: "failed", error: { code: "log.not_explained" } });
  expect(Number(await opened.system.log.head(ctx))).toBeGreaterThan(Number(before));
  expect(await opened.system.log.readStream(ctx, "crowd/0", { limit: 1 })).toHaveLength(1);
});

test("a client that may not have things executed gets no plan", async () => {
  expect(await optimize({ statement: "viable_get_records" }, "web")).toMatchObject({ code: "security.denied" });
});
