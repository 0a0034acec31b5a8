import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PGlite } from "@electric-sql/pglite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createPglite } from "./initial-database.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "viable-initial-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const cache = () => join(folder, "cache", "viable");
const kept = () => join(cache(), readdirSync(cache())[0] ?? "");

/** What tells one `initdb` from another. */
async function identityOf(database: PGlite): Promise<unknown> {
  return (await database.query("SELECT system_identifier::text FROM pg_control_system()")).rows[0];
}

/** Opens one, has it work, closes it. */
async function useOne(dataDir?: string): Promise<unknown> {
  const database = await createPglite({ dataDir, cacheDir: cache(), parsers: {} });
  await database.exec("CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)");
  const identity = await identityOf(database);
  const { rows } = await database.query("SELECT count(*)::int AS n FROM kept");
  await database.close();
  return { identity, rows };
}

test("every new database begins as the first one was made, in memory and in a directory, and goes on as its own", {
  timeout: 120_000,
}, async () => {
  const first = await useOne();
  expect(readdirSync(cache())).toEqual([expect.stringMatching(/^pglite-\d.*\.tar\.zst$/)]);
  expect(statSync(kept()).mode & 0o077).toBe(0);
  expect(await useOne()).toEqual(first);
  const dataDir = join(folder, "database");
  expect(await useOne(dataDir)).toEqual(first);
  expect(await useOne(dataDir)).toMatchObject({ rows: [{ n: 2 }] });
});

test("what is damaged is not used, and made anew", { timeout: 120_000 }, async () => {
  const first = await useOne();
  const whole = readFileSync(kept());
  const damaged = Buffer.from(whole);
  damaged.writeUInt8(damaged.readUInt8(damaged.length >> 1) ^ 1, damaged.length >> 1);
  writeFileSync(kept(), damaged);
  const second = await useOne();
  expect(second).not.toEqual(first);
  expect(await useOne()).toEqual(second);
});

test("where nothing can be kept a database is made all the same, and nothing is left lying about", {
  timeout: 60_000,
}, async () => {
  mkdirSync(join(folder, "cache"));
  writeFileSync(cache(), "no folder");
  expect(await useOne()).toMatchObject({ rows: [{ n: 1 }] });
  expect(readdirSync(join(folder, "cache"))).toEqual(["viable"]);
});
