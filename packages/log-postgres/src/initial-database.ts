import { mkdir, mkdtemp, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { PGliteOptions } from "@electric-sql/pglite";
import { PGlite } from "@electric-sql/pglite";
import { lookInto, making } from "./database-directory.ts";
import { isDiskFull } from "./is-disk-full.ts";
import { messageOf } from "./message-of.ts";
import { beginPart, finishMove, moveUp } from "./move-up.ts";

/** An initial database is 40 MB of files, nearly all zeros and system catalogues. A kept one that unpacks to more is none of ours. */
const maxBytes = 128 * 1024 * 1024;
/** What the names of all that is kept here begin with. */
const prefix = "pglite-";
/** What others left is theirs for a week: two releases that are used side by side do not make theirs anew again and again. */
const maxAgeMs = 7 * 24 * 60 * 60 * 1000;
/**
 * PGlite's own, but for the buffers: PostgreSQL's 128 MB are for a server that shares them among its processes. Here each start fills them with
 * zeros, which takes 0.3 s of a core and stays in memory; what they do not hold the system's cache of files does, a call away.
 */
const startParams = [...PGlite.defaultStartParams, "-c", "shared_buffers=32MB"];
const packing = { params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 } };

export interface CreatePgliteOptions {
  /** Where the database lives; in memory without one. */
  readonly dataDir?: string | undefined;
  /** The directory is empty, and as a whole of no use to anybody until somebody moves it up: a new database is made right in it. */
  readonly isPart?: boolean | undefined;
  /** A database was open in the directory before: where there is none now, none is made. */
  readonly mustExist?: boolean | undefined;
  /** Where the initial database is kept; nowhere without one. */
  readonly cacheDir?: string | undefined;
  readonly parsers: { [oid: number]: (text: string) => unknown };
}

/**
 * Opens a PGlite database, as `PGlite.create` does, and makes a new one several times faster wherever one was made before: what
 * `initdb` computes from nothing (seconds of it, always the same) is kept in a cache folder, one file of 4 MB for each version of
 * PGlite, and unpacked from there.
 *
 * Promised: a directory holds a whole database or none, whenever the process that makes it is killed. PGlite alone takes for a database
 * what has a file `PG_VERSION`, and may write that first. So a new one is made in a folder in the directory, and moves up when it has been
 * started once and is on the disk (`move-up.ts`). The directory is that of a database, or empty.
 *
 * The kept file is only ever a short cut. Where it cannot be written (a read-only home), nothing is kept; where it is damaged, none
 * that PGlite takes, or open to others' writing, it is not used and made anew.
 */
export async function createPglite(options: CreatePgliteOptions): Promise<PGlite> {
  const { dataDir, cacheDir, isPart, mustExist, parsers } = options;
  if (dataDir === undefined) return await makeNew({ parsers }, cacheDir);
  if (isPart) return await makeNew({ dataDir, parsers }, cacheDir);
  if ((await lookInto(dataDir)) === "database") await finishMove(dataDir);
  else if (mustExist) throw new Error(`${dataDir} holds no database any more`);
  else await makeWhole(dataDir, cacheDir);
  return await PGlite.create({ dataDir, parsers, startParams });
}

/** Makes a new database in a directory; one that cannot be made leaves it empty. */
async function makeWhole(dataDir: string, cacheDir: string | undefined): Promise<void> {
  const part = await beginPart(dataDir, making);
  try {
    await (await makeNew({ dataDir: part }, cacheDir)).close();
    await moveUp(part);
  } catch (error) {
    // Judged as it is now: with the part there will be room again.
    const reason = (await isDiskFull(part, error)) ? diskFullBy(error) : error;
    // What cannot be cleared away is left to the next start; this is the error to tell.
    await rm(part, { recursive: true, force: true }).catch(() => {});
    throw reason;
  }
}

/** In the system's words, which are known as such where this is heard of. */
const diskFullBy = (error: unknown): Error =>
  new Error(`no space left on device (${messageOf(error)})`, { cause: error });

/** A new database, running: in memory, or in a directory that is empty. */
async function makeNew(
  place: Pick<PGliteOptions, "dataDir" | "parsers">,
  cacheDir: string | undefined,
): Promise<PGlite> {
  const options = { ...place, startParams };
  if (cacheDir === undefined) return await PGlite.create(options);
  const file = join(cacheDir, `${prefix}${versionOfPglite()}.tar.zst`);
  const loadDataDir = await readKept(file);
  let fromKept: unknown;
  if (loadDataDir !== undefined) {
    try {
      return await PGlite.create({ ...options, loadDataDir });
    } catch (error) {
      // What is kept was not the reason, and making it anew would only take longer to fail.
      if (await isDiskFull(options.dataDir, error)) throw error;
      // Whole, and still no database for PGlite: what came of it is in the way of the one that is made anew.
      if (options.dataDir !== undefined) await empty(options.dataDir);
      fromKept = error;
    }
  }
  const database = await PGlite.create(options).catch((error: unknown) => {
    if (fromKept === undefined) throw error;
    throw new Error(`${messageOf(error)}; and from what is kept: ${messageOf(fromKept)}`, { cause: fromKept });
  });
  await keep(file, database);
  return database;
}

async function empty(directory: string): Promise<void> {
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
}

/** Its manifest is not among what the package exports, and lies beside its code. */
function versionOfPglite(): string {
  const require = createRequire(import.meta.url);
  const manifest = join(dirname(require.resolve("@electric-sql/pglite")), "..", "package.json");
  return (require(manifest) as { version: string }).version;
}

async function readKept(file: string): Promise<Blob | undefined> {
  try {
    // What is judged is what is read, whatever the name leads to by then.
    await using kept = await open(file);
    const { uid, mode, size } = await kept.stat();
    // A database that another user prepared could hold anything. Where files have no such owners, as on Windows, folders keep others out.
    const isOurs = process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0);
    if (!isOurs || size > maxBytes) return undefined;
    // This thread has nothing else to do, and growing an output of unknown length takes three times as long.
    const tar = zstdDecompressSync(await kept.readFile(), { maxOutputLength: maxBytes });
    return new Blob([tar], { type: "application/x-tar" });
  } catch {
    return undefined;
  }
}

/** Written beside and renamed, so that whoever reads it meanwhile finds a whole one or none. */
async function keep(file: string, database: PGlite): Promise<void> {
  let beside: string | undefined;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    // First, since reading the database out takes half a second: not where the result cannot be kept.
    beside = await mkdtemp(`${file}.`);
    const made = join(beside, "made");
    const tar = await database.dumpDataDir("none");
    await writeFile(made, zstdCompressSync(await tar.arrayBuffer(), packing), { mode: 0o600 });
    await rename(made, file);
    await clearOld(file);
  } catch {
    // It is made again by the next who needs one.
  } finally {
    if (beside !== undefined) await rm(beside, { recursive: true, force: true }).catch(() => {});
  }
}

/** Clears away what was kept for other versions of PGlite, and what processes that were killed had begun to keep. */
async function clearOld(file: string): Promise<void> {
  const folder = dirname(file);
  const { mtimeMs: nowMs } = await stat(file);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(folder, name);
    if (nowMs - (await stat(path)).mtimeMs > maxAgeMs) await rm(path, { recursive: true, force: true });
  }
}
