import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { PGlite } from "@electric-sql/pglite";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { createPglite } from "./initial-database.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "viable-initial-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

const cache = () => join(folder, "cache", "viable");
const kept = () => join(cache(), readdirSync(cache())[0] ?? "");

/** What tells one `initdb` from another. */
async function identityOf(database: PGlite): Promise<unknown> {
  return (await database.query("SELECT system_identifier::text FROM pg_control_system()")).rows[0];
}

/** Opens one, has it work, closes it. */
async function useOne(dataDir?: string, cacheDir = cache()): Promise<unknown> {
  const database = await createPglite({ dataDir, cacheDir, parsers: {} });
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

test("where a database must be, and none is, none is made", async () => {
  const dataDir = join(folder, "database");
  await expect(createPglite({ dataDir, cacheDir: whole, mustExist: true, parsers: {} })).rejects.toThrow(dataDir);
  expect(readdirSync(folder)).toEqual([]);
});

/** A cache folder in which one is kept, and what tells that one from another. */
let whole: string;
let wholeDatabase: unknown;
beforeAll(async () => {
  whole = mkdtempSync(join(tmpdir(), "viable-initial-"));
  wholeDatabase = await useOne(undefined, whole);
});
afterAll(() => rmSync(whole, { recursive: true, force: true }));

/** What is kept, unpacked, with something else in it, and packed again: whole as far as its checksum tells. */
const repack = (change: (tar: Buffer) => Buffer) =>
  writeFileSync(kept(), zstdCompressSync(change(zstdDecompressSync(readFileSync(kept()))), withChecksum));
const withChecksum = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };

const spoils: [string, () => void][] = [
  [
    "damaged",
    () => {
      const damaged = readFileSync(kept());
      damaged.writeUInt8(damaged.readUInt8(damaged.length >> 1) ^ 1, damaged.length >> 1);
      writeFileSync(kept(), damaged);
    },
  ],
  ["open to others' writing", () => chmodSync(kept(), 0o620)],
  ["no database", () => repack(() => Buffer.from("no database"))],
  ["a part of one", () => repack((tar) => tar.subarray(0, 10 * 1024 * 1024))],
];
// Only root may give files away.
if (process.getuid?.() === 0) spoils.push(["somebody else's", () => chownSync(kept(), 65_534, 65_534)]);

test.each(spoils)("what is %s is not used, and made anew", { timeout: 120_000 }, async (_what, spoil) => {
  cpSync(whole, cache(), { recursive: true });
  spoil();
  const second = await useOne(join(folder, "database"));
  expect(second).toMatchObject({ rows: [{ n: 1 }] });
  expect(second).not.toEqual(wholeDatabase);
  expect(statSync(kept())).toMatchObject({ uid: process.getuid?.() ?? 0 });
  expect(statSync(kept()).mode & 0o777).toBe(0o600);
  expect(await useOne()).toEqual(second);
});

test("whoever keeps one clears away what others left there days ago, and nothing else", {
  timeout: 60_000,
}, async () => {
  const longAgo = new Date(Date.now() - 8 * 24 * 60 * 60 * 1000);
  const days = ["pglite-0.4.0.tar.zst", "pglite-0.5.0.tar.zst.abcdef", "another"];
  const now = ["pglite-0.4.1.tar.zst", "pglite-0.5.0.tar.zst.ghijkl"];
  for (const name of [...days, ...now]) {
    mkdirSync(join(cache(), name), { recursive: true });
    writeFileSync(join(cache(), name, "made"), "");
    if (days.includes(name)) utimesSync(join(cache(), name), longAgo, longAgo);
  }
  await useOne();
  expect(readdirSync(cache())).toEqual(expect.arrayContaining(["another", ...now]));
  expect(readdirSync(cache())).toHaveLength(4);
});

test("where nothing can be kept a database is made all the same, and nothing is left lying about", {
  timeout: 60_000,
}, async () => {
  mkdirSync(join(folder, "cache"));
  writeFileSync(cache(), "no folder");
  expect(await useOne()).toMatchObject({ rows: [{ n: 1 }] });
  expect(readdirSync(join(folder, "cache"))).toEqual(["viable"]);
});

/** What PGlite's file system throws: no Error, and the number is not the system's. */
const thrownBy = (errno: number) => ({ name: "ErrnoError", errno });

test("a disk that fills up while a new one is unpacked is told as such, and nothing more is tried or left there", async () => {
  cpSync(whole, cache(), { recursive: true });
  const dataDir = join(folder, "database");
  const tries = vi.spyOn(PGlite, "create").mockImplementation(async () => {
    writeFileSync(join(dataDir, readdirSync(dataDir)[0] ?? "", "a part of it"), "");
    throw thrownBy(51);
  });
  await expect(useOne(dataDir)).rejects.toThrow(/no space left on device/);
  expect(tries).toHaveBeenCalledTimes(1);
  expect(readdirSync(dataDir)).toEqual([]);
});

test("where neither what is kept nor initdb leads to a database, both reasons are told", async () => {
  cpSync(whole, cache(), { recursive: true });
  const first = thrownBy(44);
  vi.spyOn(PGlite, "create").mockRejectedValueOnce(first).mockRejectedValueOnce(new Error("initdb failed"));
  await expect(useOne(join(folder, "database"))).rejects.toMatchObject({
    message: "initdb failed; and from what is kept: ErrnoError, errno 44",
    cause: first,
  });
});
