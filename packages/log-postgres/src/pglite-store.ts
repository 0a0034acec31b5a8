import { mkdir, realpath } from "node:fs/promises";
import type { Clock } from "@viable/kernel";
import { systemClock } from "@viable/kernel";
import type { Store } from "@viable/log";
import type { DirectoryLock } from "./directory-lock.ts";
import { lockDirectory } from "./directory-lock.ts";
import { unavailable } from "./errors.ts";
import { PgliteSession } from "./pglite-session.ts";
import type { Param, Row, Statement } from "./session.ts";
import { createSqlStore } from "./sql-store.ts";

export interface PgliteStoreOptions {
  /** Where the database lives; made where it is not there. Without one it lives in memory and ends with the store. */
  readonly dataDir?: string | undefined;
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
 */
export function createPgliteStore(options: PgliteStoreOptions = {}): Store {
  const clock = options.clock ?? systemClock;
  let session: PgliteSession | undefined;
  let lock: DirectoryLock | undefined;

  const opened = (): PgliteSession => {
    if (session === undefined) throw unavailable("The store is not open.");
    return session;
  };
  const sql = createSqlStore({
    write: async (statement: Statement, params: readonly Param[]): Promise<Row[]> => opened().write(statement, params),
    read: async (statement: Statement, params: readonly Param[]): Promise<Row[]> => opened().read(statement, params),
  });

  return {
    ...sql,
    durability: options.dataDir === undefined ? "nothing" : "process-crash",
    exclusive: true,
    async open() {
      let dataDir: string | undefined;
      if (options.dataDir !== undefined) {
        await mkdir(options.dataDir, { recursive: true });
        // Two ways to write one directory's name must meet at one lock.
        dataDir = await realpath(options.dataDir);
        lock = await lockDirectory(dataDir);
      }
      const opening = new PgliteSession(dataDir, clock);
      try {
        await opening.open();
      } catch (error) {
        // Where a thread does not end the directory stays locked, for as long as this process lives.
        await opening.close().then(
          () => lock?.release(),
          () => undefined,
        );
        throw error;
      }
      session = opening;
    },
    async close() {
      await session?.close();
      session = undefined;
      await lock?.release();
      lock = undefined;
    },
    async purgeRecords(before, limit) {
      const purged = await sql.purgeRecords(before, limit);
      await opened().write(vacuumRecords, []);
      return purged;
    },
  };
}
