import { existsSync } from "node:fs";
import { mkdir, readdir, realpath, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Clock, ViableError } from "@viable/kernel";
import { systemClock } from "@viable/kernel";
import type { SnapshotPage, Store } from "@viable/log";
import { notEmpty } from "@viable/log";
import { holdsDatabase, makingOf, restoringOf } from "./database-directory.ts";
import type { DirectoryLock } from "./directory-lock.ts";
import { lockDirectory } from "./directory-lock.ts";
import { refused, restoreUnfinished, unavailable } from "./errors.ts";
import { explainOver } from "./explain.ts";
import { fillBeside } from "./fill-beside.ts";
import { PgliteSession } from "./pglite-session.ts";
import { restoreInto } from "./restore.ts";
import type { Statement } from "./session.ts";
import { snapshotBetweenCommits } from "./snapshot.ts";
import { createSqlStore } from "./sql-store.ts";

export interface PgliteStoreOptions {
  /**
   * Where the database lives; made where it is not there, or empty. Without one it lives in memory and ends with the store. A new one is made
   * beside and renamed, so it is a folder in a folder of this process's own, and not itself what is mounted.
   */
  readonly dataDir?: string | undefined;
  /**
   * Where what is made once for all new databases is kept, `~/.cache/viable` say: the second and any later one is then there in one second
   * instead of four. Nowhere without one. Whatever is in it may be removed at any time.
   */
  readonly cacheDir?: string | undefined;
  /** Measures how long the worker has been silent. */
  readonly clock?: Clock;
}

// PGlite has no autovacuum. Records are written over and over, and without this their table would only ever grow.
const vacuumRecords: Statement = { name: "viable_vacuum_records", text: "VACUUM viable.records" };

/**
 * The log in this process's own database: PostgreSQL compiled to WebAssembly, in a worker thread.
 *
 * Promised: what was answered survives the process being killed (W1 at `process-crash`), since it is in the operating system's
 * hands; one process at a time has the directory, a second is refused with `log.database_in_use`; a worker that is lost is
 * started anew at the next request. Not promised: that anything survives a power cut. PGlite never waits for the disk.
 *
 * A snapshot is restored into a directory beside, `<directory>.restoring`, which takes the place of the real one when all is in it.
 * Where that was cut short the directory beside stays, and `open` refuses until a restore has come to its end.
 */
export function createPgliteStore(options: PgliteStoreOptions = {}): Store {
  const clock = options.clock ?? systemClock;
  const { cacheDir } = options;
  let session: PgliteSession | undefined;
  let lock: DirectoryLock | undefined;
  /** Snapshots that are being read. */
  let snapshots = 0;

  const opened = (): PgliteSession => {
    if (session === undefined) throw unavailable("The store is not open.");
    return session;
  };
  const sql = createSqlStore(clock, {
    write: async (statement, params) => opened().write(statement, params),
    read: async (statement, params) => opened().read(statement, params),
    readForeign: async (text, params) => opened().readForeign(text, params),
    transaction: async (run) => opened().transaction(run),
  });

  return {
    ...sql,
    durability: options.dataDir === undefined ? "nothing" : "process-crash",
    exclusive: true,
    async open() {
      if (options.dataDir === undefined) {
        session = await openSession(new PgliteSession({ cacheDir }, clock));
        return;
      }
      await mkdir(options.dataDir, { recursive: true });
      // Two ways to write one directory's name must meet at one lock.
      const dataDir = await realpath(options.dataDir);
      const claimed = await claim(dataDir, async () => {
        if (holdsDatabase(dataDir)) return;
        if (!(await isEmpty(dataDir))) throw noDatabase(dataDir);
        // A restore was cut short: what it had written lies beside, and nothing in the place of the database.
        if (existsSync(restoringOf(dataDir))) throw restoreUnfinished(`The database in ${dataDir}`);
      });
      session = await openSession(new PgliteSession({ dataDir, cacheDir }, clock), claimed);
      lock = claimed;
    },
    async restore(pages) {
      if (options.dataDir === undefined) {
        if (session !== undefined) throw notEmpty("The database in memory");
        session = await openSession(
          new PgliteSession({ cacheDir }, clock, (connection) => restoreInto(connection, pages)),
        );
        return;
      }
      const dataDir = await realpathToBe(options.dataDir);
      const claimed = await claim(dataDir, async () => {
        if (!(await isEmpty(dataDir))) throw notEmpty(dataDir);
        await restoreBeside({ dataDir, cacheDir }, clock, pages);
      });
      session = await openSession(new PgliteSession({ dataDir, cacheDir }, clock), claimed);
      lock = claimed;
    },
    async close() {
      await session?.close();
      session = undefined;
      await lock?.release();
      lock = undefined;
    },
    async purgeRecords(before, limit) {
      // A snapshot counts on it that a record once read is there when it ends.
      if (snapshots > 0) return 0;
      const purged = await sql.purgeRecords(before, limit);
      await opened().write(vacuumRecords, []);
      return purged;
    },
    async *snapshot() {
      snapshots += 1;
      try {
        yield* snapshotBetweenCommits(opened());
      } finally {
        snapshots -= 1;
      }
    },
    explain: async (request) => await opened().exclusively((connection) => explainOver(connection, request)),
  };
}

/** Claims a directory, and lets go of it again where what is to be done first fails. */
async function claim(dataDir: string, first: () => Promise<void>): Promise<DirectoryLock> {
  const claimed = await lockDirectory(dataDir);
  try {
    await first();
  } catch (error) {
    await claimed.release();
    throw error;
  }
  return claimed;
}

/** Opens a session, or lets go of its directory. Where its thread does not end, that stays locked for as long as this process lives. */
async function openSession(opening: PgliteSession, claimed?: DirectoryLock): Promise<PgliteSession> {
  try {
    await opening.open();
  } catch (error) {
    await opening.close().then(
      () => claimed?.release(),
      () => undefined,
    );
    throw error;
  }
  return opening;
}

/** Fills a database beside the directory, where it stays while that is not done. What was to be a new one gives way to it. */
async function restoreBeside(
  { dataDir, cacheDir }: { readonly dataDir: string; readonly cacheDir: string | undefined },
  clock: Clock,
  pages: AsyncIterable<SnapshotPage>,
): Promise<void> {
  const beside = restoringOf(dataDir);
  await rm(makingOf(dataDir), { recursive: true, force: true });
  await fillBeside(dataDir, beside, async () => {
    const restoring = new PgliteSession({ dataDir: beside, cacheDir }, clock, (connection) =>
      restoreInto(connection, pages),
    );
    try {
      await restoring.open();
    } finally {
      await restoring.close();
    }
  });
}

/** Nobody's database would be made among files that are somebody's. */
const noDatabase = (dataDir: string): ViableError =>
  refused(`${dataDir} holds files, and no database.`, "Give a directory that is empty or not there.");

async function isEmpty(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).length === 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/** The real path of a directory that may not be there yet. */
async function realpathToBe(directory: string): Promise<string> {
  const path = resolve(directory);
  await mkdir(dirname(path), { recursive: true });
  return await realpath(path).catch(async () => join(await realpath(dirname(path)), basename(path)));
}
