import { mkdir, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, ViableError } from "@viable/kernel";
import { systemClock } from "@viable/kernel";
import type { SnapshotPage, Store } from "@viable/log";
import { notEmpty } from "@viable/log";
import { lookInto, making, restoring } from "./database-directory.ts";
import type { DirectoryLock } from "./directory-lock.ts";
import { lockDirectory } from "./directory-lock.ts";
import { fromDirectory, refused, restoreUnfinished, unavailable } from "./errors.ts";
import { explainOver } from "./explain.ts";
import { beginPart, moveUp } from "./move-up.ts";
import { PgliteSession } from "./pglite-session.ts";
import { restoreInto } from "./restore.ts";
import type { Statement } from "./session.ts";
import { snapshotBetweenCommits } from "./snapshot.ts";
import { createSqlStore } from "./sql-store.ts";

export interface PgliteStoreOptions {
  /**
   * Where the database lives; made where it is not there, or empty. Without one it lives in memory and ends with the store. It may be what is
   * mounted. Its lock stands beside it, so the folder that it is in must be open to this process too.
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
 * started anew at the next request, over the same database or (`log.store_unavailable`) not at all. Not promised: that anything
 * survives a power cut. PGlite never waits for the disk.
 *
 * A snapshot is restored into a folder in the directory, and moves up when all is in it. Where that was cut short the folder stays, and
 * `open` refuses until a restore has come to its end.
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
      const { dataDir, claimed } = await claim(options.dataDir, async (directory) => {
        const found = await lookInto(directory);
        if (found === "files") throw noDatabase(directory);
        if (found === "restore") throw restoreUnfinished(`The database in ${directory}`);
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
      const { dataDir, claimed } = await claim(options.dataDir, async (directory) => {
        if (!["nothing", "restore"].includes(await lookInto(directory))) throw notEmpty(directory);
        // It counts as begun from its first moment on, and what was to be a new database gives way to it.
        await beginPart(directory, restoring);
        await rm(join(directory, making), { recursive: true, force: true });
      });
      await restoreInside({ dataDir, cacheDir }, clock, pages, claimed);
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

/** Claims a directory, made where it is not there, and lets go of it again where what is to be done first fails. */
async function claim(
  directory: string,
  first: (dataDir: string) => Promise<void>,
): Promise<{ readonly dataDir: string; readonly claimed: DirectoryLock }> {
  let claimed: DirectoryLock | undefined;
  try {
    await mkdir(directory, { recursive: true });
    // Two ways to write one directory's name must meet at one lock.
    const dataDir = await realpath(directory);
    claimed = await lockDirectory(dataDir);
    await first(dataDir);
    return { dataDir, claimed };
  } catch (error) {
    await claimed?.release();
    throw fromDirectory(error, directory);
  }
}

/** Opens a session, or lets go of its directory. */
async function openSession(opening: PgliteSession, claimed?: DirectoryLock): Promise<PgliteSession> {
  try {
    await opening.open();
  } catch (error) {
    await closeThen(opening, async () => await claimed?.release());
    throw error;
  }
  return opening;
}

/** Fills a database in the directory, which stays there while that is not done, and lets go of the directory where it fails. */
async function restoreInside(
  { dataDir, cacheDir }: { readonly dataDir: string; readonly cacheDir: string | undefined },
  clock: Clock,
  pages: AsyncIterable<SnapshotPage>,
  claimed: DirectoryLock,
): Promise<void> {
  const part = join(dataDir, restoring);
  const session = new PgliteSession({ dataDir: part, cacheDir, isPart: true }, clock, (connection) =>
    restoreInto(connection, pages),
  );
  try {
    await session.open();
    await session.close();
    await moveUp(part).catch((error: unknown) => {
      throw fromDirectory(error, dataDir);
    });
  } catch (error) {
    await closeThen(session, async () => {
      // What cannot be cleared away says that the restore is unfinished, as it is.
      await rm(part, { recursive: true, force: true }).catch(() => {});
      await claimed.release();
    });
    throw error;
  }
}

/**
 * Closes a session that has failed, and goes on when its thread has ended. Where that does not end, and may still be writing, its directory
 * stays as it is, and locked for as long as this process lives.
 */
async function closeThen(session: PgliteSession, next: () => Promise<void>): Promise<void> {
  await session.close().then(next, () => undefined);
}

/** Nobody's database would be made among files that are somebody's. */
const noDatabase = (dataDir: string): ViableError =>
  refused(`${dataDir} holds files, and no database.`, "Give a directory that is empty or not there.");
