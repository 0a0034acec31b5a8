/**
 * Processes that seal one log on a PostgreSQL server at once make one chain without a gap, also when the log of one ends under its sealer
 * and another process stops and comes back; and many events that nobody had sealed are sealed without keeping the loop.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRuntime, rootContext } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog } from "@viable/log";
import { everyEvent, shortPages } from "@viable/log/testing";
import { createPgliteStore, createPostgresStore } from "@viable/log-postgres";
import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";
import { createSealer, openSealKey, readPublicKeys, readSealFile, sealFile, sizeOfSealFile } from "@viable/security";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyDatabase } from "./verify-events.ts";

const cacheDir = process.env.VIABLE_TEST_CACHE_DIR;

let server: PostgresServer;
const folder = mkdtempSync(join(tmpdir(), "viable-seals-"));
beforeAll(async () => {
  server = await startPostgres({ fsync: false });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const runtime = createRuntime();
const ctx = rootContext(runtime);
const waits = { timeout: 30_000, interval: 20 };

/** A process's part of it: a log and its sealer. All share one folder of keys here. */
async function startSealer(store: Store, name: string) {
  const log = createLog(store, runtime);
  const file = join(folder, `${name}.jsonl`);
  const key = openSealKey(folder);
  const sealer = createSealer({ log, runtime, key, file: sealFile(file), onNotice: () => {} });
  await log.start(ctx);
  await sealer.start(ctx);
  const write = async (count: number) => {
    for (let left = count; left > 0; left -= 100) {
      const events = Array.from({ length: 100 }, (_, nr) => ({ type: "written", data: { by: name, nr } }));
      await expect(log.append(ctx, { streams: [{ stream: name, expected: "any", events }] })).resolves.toMatchObject({
        ok: true,
      });
    }
  };
  return { log, sealer, file, write };
}

async function numbersIn(file: string): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { number } of readSealFile(file, (await sizeOfSealFile(file)) ?? 0)) numbers.push(number);
  return numbers;
}

test("three processes on one server seal at once, of one the log ends under its sealer, one stops and comes back", {
  timeout: 120_000,
}, async () => {
  const url = await server.createDatabase();
  const open = (name: string) => startSealer(createPostgresStore({ connectionString: url }), name);
  const [a, b, c] = [await open("a"), await open("b"), await open("c")];
  await Promise.all([a.write(3_000), b.write(3_000), c.write(3_000)]);
  // Its sealer is not asked first: what it was about to seal is left to the others.
  await c.log.stop(ctx);
  await Promise.all([a.write(2_000), b.write(2_000)]);
  await b.sealer.stop(ctx);
  await b.log.stop(ctx);
  const again = await open("b");
  await Promise.all([a.write(1_000), again.write(1_500)]);
  await a.sealer.stop(ctx);
  await again.sealer.stop(ctx);

  const store = createPostgresStore({ connectionString: url });
  await store.open();
  const keys = readPublicKeys(folder);
  const made = (await everyEvent(store, { streamPrefix: "seals" })).map(({ version }) => version);
  expect(made.length).toBeGreaterThanOrEqual(15);
  await expect.poll(() => numbersIn(again.file), waits).toEqual(made);
  // The one that stopped first does not have what the other sealed when it stopped.
  const kept = await numbersIn(a.file);
  expect(kept).toEqual(made.slice(0, kept.length));
  expect(kept.length).toBeGreaterThanOrEqual(made.length - 1);
  for (const [file, outside] of [
    [again.file, made.length],
    [a.file, kept.length],
  ] as const) {
    const verdict = await verifyDatabase(store, { keys, sealsFile: file });
    expect(verdict).toMatchObject({ sound: true, seals: made.length, outside });
    // All but seals.
    expect(verdict.unsealed).toBeLessThanOrEqual(3);
  }
  await store.close();
  await a.log.stop(ctx);
  await again.log.stop(ctx);
  await c.sealer.stop(ctx);
});

test("many events that nobody had sealed are sealed page by page, and the loop turns meanwhile", {
  timeout: 120_000,
}, async () => {
  const store = createPgliteStore({ dataDir: join(folder, "database"), cacheDir });
  const log = createLog(store, runtime);
  await log.start(ctx);
  const data = { text: "x".repeat(300) };
  const events = Array.from({ length: 1_000 }, () => ({ type: "old", data }));
  for (let nr = 0; nr < 6; nr++) await log.append(ctx, { streams: [{ stream: `old/${nr}`, expected: 0, events }] });
  const file = join(folder, "late.jsonl");
  const sealer = createSealer({ log, runtime, key: openSealKey(folder), file: sealFile(file), onNotice: () => {} });
  let turns = 0;
  const ticking = setInterval(() => {
    turns += 1;
  }, 1);
  await sealer.start(ctx);
  await expect.poll(() => sealer.status().last?.to, waits).toBe("6000");
  clearInterval(ticking);
  // As often at least as there are pages of 500.
  expect(turns).toBeGreaterThanOrEqual(12);
  await expect.poll(() => numbersIn(file), waits).toHaveLength(6);
  const verdict = await verifyDatabase(store, { keys: readPublicKeys(folder), sealsFile: file });
  expect(verdict).toMatchObject({ sound: true, sealedTo: "6000", outsideTo: "6000" });
  // Pages that end early, before the last seal too, are no end.
  const short = { ...store, ...shortPages(store, 19) };
  expect(await verifyDatabase(short, { keys: readPublicKeys(folder), sealsFile: file })).toEqual(verdict);
  await sealer.stop(ctx);
  await log.stop(ctx);
});
