import type { Clock } from "@viable/kernel";
import { systemClock } from "@viable/kernel";
import type { Durability, Store } from "@viable/log";
import { unavailable } from "./errors.ts";
import { explainOver } from "./explain.ts";
import { migrate } from "./migrate.ts";
import type { ServerSettings } from "./postgres-session.ts";
import { PostgresSession } from "./postgres-session.ts";
import { restoreInto } from "./restore.ts";
import type { Connection, Statement } from "./session.ts";
import { snapshotOver } from "./snapshot.ts";
import { createSqlStore } from "./sql-store.ts";

export interface PostgresStoreOptions {
  readonly connectionString: string;
  /** Connections for reads; one more is kept for commits. */
  readonly maxReadConnections?: number;
  /** How long a statement may take, in milliseconds. Group commit tries again within its own bound. */
  readonly statementTimeoutMs?: number;
  /** How long a statement of a migration may take, waiting for another process's included, in milliseconds. */
  readonly migrationTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** Measures how long rows take, and how long to wait before listening for other processes' word is tried again. */
  readonly clock?: Clock;
}

/** Something that is as it is, and that an operator should know. */
export interface StoreWarning {
  readonly code: string;
  readonly message: string;
  readonly next: string;
}

export interface PostgresStore extends Store {
  /** What is wrong with the server's settings, as of the latest connection; empty where nothing is. */
  readonly warnings: readonly StoreWarning[];
  /** The server's wall time, in milliseconds since 1970. */
  serverMs(): Promise<number>;
}

/**
 * The log on a PostgreSQL server.
 *
 * Promised: as `Store`, under any number of processes (W9). `durability` is what the server's settings make true, looked at on
 * every connection: `power-loss` where `fsync`, `full_page_writes` and `synchronous_commit` are on, less otherwise, with a
 * warning; before `open` it is `nothing`. A lost connection is made anew by itself.
 */
export function createPostgresStore(options: PostgresStoreOptions): PostgresStore {
  const clock = options.clock ?? systemClock;
  let session: PostgresSession | undefined;
  let durability: Durability = "nothing";
  let warnings: readonly StoreWarning[] = [];

  const opened = (): PostgresSession => {
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
    get durability() {
      return durability;
    },
    get warnings() {
      return warnings;
    },
    exclusive: false,
    get news() {
      return session?.news;
    },
    open: () => openWith(migrate),
    restore: (pages) => openWith((connection) => restoreInto(connection, pages)),
    async *snapshot() {
      await using own = await opened().connect();
      yield* snapshotOver(own.connection);
    },
    async explain(request) {
      await using own = await opened().connect();
      return await explainOver(own.connection, request);
    },
    async serverMs() {
      const [row] = await opened().read(serverTime, []);
      return Number(row?.ms);
    },
    async close() {
      await session?.close();
      session = undefined;
    },
  };

  /** Opens on a database that was first prepared over a connection of its own. */
  async function openWith(prepare: (connection: Connection) => Promise<void>): Promise<void> {
    const opening = new PostgresSession(
      {
        connectionString: options.connectionString,
        maxReadConnections: options.maxReadConnections ?? 4,
        statementTimeoutMs: options.statementTimeoutMs ?? 15_000,
        // An index over some hundred million events is built within it.
        migrationTimeoutMs: options.migrationTimeoutMs ?? 3_600_000,
        connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
        clock,
      },
      (settings) => ({ durability, warnings } = judge(settings)),
    );
    try {
      await opening.exclusively(prepare);
    } catch (error) {
      await opening.close();
      throw error;
    }
    session = opening;
  }
}

/** As of now, where a transaction's time is that of its beginning. */
const serverTime: Statement = {
  name: "viable_server_time",
  text: "SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms",
};

/** What survives under these settings, and what to say about those that make it less than a power cut. */
function judge(settings: ServerSettings): { durability: Durability; warnings: StoreWarning[] } {
  const warnings: StoreWarning[] = [];
  const flushes = settings.synchronousCommit !== "off";
  if (!flushes) {
    warnings.push({
      code: "log.synchronous_commit_off",
      message: "The server answers before it has written: commits of the last second may be lost when it crashes.",
      next: "Set synchronous_commit = on for this role or database.",
    });
  }
  for (const [setting, on] of [
    ["fsync", settings.fsync],
    ["full_page_writes", settings.fullPageWrites],
  ] as const) {
    if (on) continue;
    warnings.push({
      code: `log.${setting}_off`,
      message: `The server runs with ${setting} = off: a power cut may lose or damage what it answered for.`,
      next: `Set ${setting} = on in postgresql.conf.`,
    });
  }
  return { durability: flushes ? (warnings.length === 0 ? "power-loss" : "process-crash") : "nothing", warnings };
}
