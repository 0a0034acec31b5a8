import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { PGliteOptions } from "@electric-sql/pglite";
import { PGlite } from "@electric-sql/pglite";
import { holdsDatabase, makingOf } from "./database-directory.ts";
import { fillBeside } from "./fill-beside.ts";

/** An initial database is 40 MB of files, nearly all zeros and system catalogues. A kept one that unpacks to more is none of ours. */
const maxBytes = 128 * 1024 * 1024;
const packing = { params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 } };

export interface CreatePgliteOptions {
  /** Where the database lives; in memory without one. */
  readonly dataDir?: string | undefined;
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
 * what has a file `PG_VERSION`, and writes that first. So a new one is made in `<directory>.making`, and has its name when it has been
 * started once. What is left there the next start clears away.
 *
 * The kept file is only ever a short cut. Where it cannot be written (a read-only home), nothing is kept; where it is damaged, none
 * that PGlite takes, or open to others' writing, it is not used and made anew.
 */
export async function createPglite({ dataDir, cacheDir, parsers }: CreatePgliteOptions): Promise<PGlite> {
  if (dataDir === undefined) return await makeNew({ parsers }, cacheDir);
  if (!holdsDatabase(dataDir)) {
    const making = makingOf(dataDir);
    await fillBeside(dataDir, making, async () => {
      const database = await makeNew({ dataDir: making, parsers }, cacheDir);
      await database.close();
    });
  }
  return await PGlite.create({ dataDir, parsers });
}

/** A new database, running: in memory, or in a directory that is empty. */
async function makeNew(
  options: Pick<PGliteOptions, "dataDir" | "parsers">,
  cacheDir: string | undefined,
): Promise<PGlite> {
  if (cacheDir === undefined) return await PGlite.create(options);
  const file = join(cacheDir, `pglite-${versionOfPglite()}.tar.zst`);
  const loadDataDir = await readKept(file);
  if (loadDataDir !== undefined) {
    try {
      return await PGlite.create({ ...options, loadDataDir });
    } catch {
      // Whole, and still no database for PGlite: what came of it is in the way of the one that is made anew.
      if (options.dataDir !== undefined) await rm(options.dataDir, { recursive: true, force: true });
    }
  }
  const database = await PGlite.create(options);
  await keep(file, database);
  return database;
}

/** Its manifest is not among what the package exports, and lies beside its code. */
function versionOfPglite(): string {
  const require = createRequire(import.meta.url);
  const manifest = join(dirname(require.resolve("@electric-sql/pglite")), "..", "package.json");
  return (require(manifest) as { version: string }).version;
}

async function readKept(file: string): Promise<Blob | undefined> {
  try {
    // A database that another user prepared could hold anything. Where files have no such owners, as on Windows, folders keep others out.
    const user = process.getuid?.();
    if (user !== undefined && (await stat(file)).uid !== user) return undefined;
    // This thread has nothing else to do, and growing an output of unknown length takes three times as long.
    const tar = zstdDecompressSync(await readFile(file), { maxOutputLength: maxBytes });
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
  } catch {
    // It is made again by the next who needs one.
  } finally {
    if (beside !== undefined) await rm(beside, { recursive: true, force: true }).catch(() => {});
  }
}
