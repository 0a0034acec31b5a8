import type { Clock } from "@viable/kernel";
import type { ClientBase } from "pg";
import pg from "pg";
import { isLost, unavailable } from "./errors.ts";
import { PostgresCommits } from "./postgres-commits.ts";
import type { OwnConnection } from "./postgres-connection.ts";
import { ask, backendOf, connectionOver, connectOwn, endInTime, rethrow } from "./postgres-connection.ts";
import { PostgresNews } from "./postgres-news.ts";
import type { Answer, Connection, Param, Row, Session, Statement, Unprepared } from "./session.ts";
import { nameConnection } from "./session.ts";
import { watchAnswers } from "./watch-answers.ts";

export interface PostgresSessionOptions {
  readonly connectionString: string;
  /** Connections for reads; one more is kept for commits. */
  readonly maxReadConnections: number;
  /** How long a statement may take, in milliseconds, before the server cancels it. */
  readonly statementTimeoutMs: number;
  /** The same for a migration: one statement of it may build an index, and another process's may have to be waited for. */
  readonly migrationTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
}

/** How much longer than the server we wait for its answer: beyond it, the way to it is broken and the connection is dropped. */
const answerGraceMs = 2_000;
/**
 * How long we may be silent in the middle of a transaction, in milliseconds, before the server ends it: a process that was frozen or cut
 * off there holds the log's lock, and everybody's appends wait.
 */
const silenceMs = 5_000;
/** How long it may take to ask whether the server is at work on what it owes, to connect and to be answered, in milliseconds each. */
const askMs = 2_000;
/** How many reads may wait for a connection. More than this and the database is not keeping up. */
const maxWaitingReads = 2_000;

const int8 = 20;

/** What a server promises of commits, as its settings say. */
export interface ServerSettings {
  readonly fsync: boolean;
  readonly fullPageWrites: boolean;
  readonly synchronousCommit: string;
}

/**
 * Connections to a PostgreSQL server: one for commits, so that no read ever stands before one, and a few for reads. A
 * connection that fails is dropped and made anew at the next request; what was on it is rejected as unavailable.
 */
export class PostgresSession implements Session {
  readonly #commits: PostgresCommits;
  readonly #reads: pg.Pool;
  readonly #migration: pg.ClientConfig;
  readonly #statements: pg.ClientConfig;
  readonly news: PostgresNews;
  readonly #clock: Clock;
  readonly #onConnected: (settings: ServerSettings) => void;

  constructor(options: PostgresSessionOptions, onConnected: (settings: ServerSettings) => void) {
    const config = toConfig(options, options.statementTimeoutMs);
    this.#migration = toConfig(options, options.migrationTimeoutMs);
    this.#statements = config;
    this.news = new PostgresNews(config, options.clock);
    this.#clock = options.clock;
    this.#onConnected = onConnected;
    this.#commits = new PostgresCommits(() => this.#connectCommits());
    this.#reads = new pg.Pool({
      ...config,
      max: options.maxReadConnections,
      onConnect: async (client) => {
        endInTime(client, options.clock);
        await client.query(settings);
        await client.query("SET default_transaction_read_only = on");
        await this.#watch(client);
      },
    });
    // An idle connection that breaks is replaced when it is next needed; without a listener it would end the process.
    this.#reads.on("error", () => {});
  }

  write(statement: Statement, params: readonly Param[]): Promise<Answer> {
    return this.#commits.write(statement, params);
  }

  async read(statement: Statement | Unprepared, params: readonly Param[]): Promise<Row[]> {
    this.#refuseMoreReads();
    return (await ask(this.#reads, statement, params)).rows;
  }

  /** What it sets, writes or locks is undone: the next who reads on this connection must find it as it was. */
  readForeign(text: string, params: readonly Param[]): Promise<Row[]> {
    this.#refuseMoreReads();
    return lend(this.#reads, async (connection) => {
      const undo = () => connection.script("ROLLBACK; SELECT pg_advisory_unlock_all()");
      await connection.script("BEGIN READ ONLY");
      const rows = await connection.query(text, params).catch(async (error: unknown) => {
        // A connection that does not answer would not answer this either, and gives way to another.
        if (!isLost(error)) await undo();
        throw error;
      });
      await undo();
      return rows;
    });
  }

  transaction<T>(run: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#commits.transaction(run);
  }

  #refuseMoreReads(): void {
    if (this.#reads.waitingCount < maxWaitingReads) return;
    throw unavailable(`${maxWaitingReads} reads wait for a connection to the database already.`);
  }

  /** Lends a connection of its own, with the bounds of a migration, for something that needs one throughout. */
  async exclusively(run: (connection: Connection) => Promise<void>): Promise<void> {
    await using own = await connectOwn(this.#migration, this.#clock);
    this.#onConnected(await readSettings(own.client).catch(rethrow));
    await run(own.connection);
  }

  /** A connection of its own, beside those for commits and reads, set as they are; to be let go of by whoever asked for it. */
  connect(): Promise<OwnConnection> {
    return this.#connectSet(async () => {});
  }

  /** Set as all are, named, and judged by: after a failover another server answers. */
  #connectCommits(): Promise<OwnConnection> {
    return this.#connectSet(async (own) => {
      await own.connection.script(nameConnection);
      this.#onConnected(await readSettings(own.client).catch(rethrow));
    });
  }

  /** One that cannot be set, as by a pooler that lets everybody in and has no server to give, is let go of. */
  async #connectSet(further: (own: OwnConnection) => Promise<void>): Promise<OwnConnection> {
    const own = await connectOwn(this.#statements, this.#clock);
    try {
      await own.connection.script(settings);
      await this.#watch(own.client).catch(rethrow);
      await further(own);
    } catch (error) {
      await own[Symbol.asyncDispose]();
      throw error;
    }
    return own;
  }

  /** Behind a pooler the server knows the connection by another's number, and has nothing to say of it. */
  async #watch(client: ClientBase): Promise<void> {
    const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const pid = Number(rows[0]?.pid);
    if (pid === backendOf(client)) watchAnswers(client, this.#clock, () => this.#isAtWork(pid));
  }

  /** Whether the server is at work on what a connection asked; undefined where it cannot be asked. A connection of its own asks. */
  async #isAtWork(pid: number): Promise<boolean | undefined> {
    const bounds = { connectionTimeoutMillis: askMs, statement_timeout: askMs, query_timeout: askMs };
    await using own = await connectOwn({ ...this.#statements, ...bounds }, this.#clock);
    const text =
      "SELECT count(*)::int AS backends FROM pg_stat_activity WHERE pid = $1 AND coalesce(state, '') NOT LIKE 'idle%'";
    const [row] = await own.connection.query(text, [String(pid)]);
    return Number(row?.backends) > 0;
  }

  /** Waits for what is under way, and for the connections to be gone. */
  async close(): Promise<void> {
    await Promise.all([this.#commits.close(), this.#reads.end(), this.news.stop()]);
  }
}

/** A pool's connection for as long as something runs; one that was lost meanwhile gives way to another. */
async function lend<T>(pool: pg.Pool, run: (connection: Connection) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch(rethrow);
  // One that breaks says so to whoever waits for an answer on it; lent out, it has no other listener, and would end the process.
  const ignore = () => {};
  client.on("error", ignore);
  let broken = false;
  try {
    return await run(connectionOver(client));
  } catch (error) {
    broken = isLost(error);
    throw error;
  } finally {
    client.off("error", ignore);
    client.release(broken);
  }
}

function toConfig(options: PostgresSessionOptions, statementTimeoutMs: number): pg.ClientConfig {
  return {
    connectionString: options.connectionString,
    application_name: "viable",
    connectionTimeoutMillis: options.connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + answerGraceMs,
    keepAlive: true,
    types: { getTypeParser: typeParser as typeof pg.types.getTypeParser },
  };
}

/**
 * See migration 1: a plan made for an empty table must not read a large one from end to end. Before PostgreSQL 18 what is ruled out is
 * priced so high that a server which compiles expensive plans compiles ours, a second and more for each. And what is read behind the
 * partition's lock must be of after it was given, whatever isolation a database has by default.
 */
const settings = `SET enable_seqscan = off; SET jit = off; SET default_transaction_isolation = 'read committed';
  SET idle_in_transaction_session_timeout = ${silenceMs}`;

async function readSettings(client: ClientBase): Promise<ServerSettings> {
  const { rows } = await client.query<Record<string, string>>(`SELECT current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes, current_setting('synchronous_commit') AS synchronous_commit`);
  return {
    fsync: rows[0]?.fsync === "on",
    fullPageWrites: rows[0]?.full_page_writes === "on",
    synchronousCommit: rows[0]?.synchronous_commit ?? "off",
  };
}

function typeParser(oid: number): (text: string) => unknown {
  return oid === int8 ? Number : pg.types.getTypeParser(oid, "text");
}
