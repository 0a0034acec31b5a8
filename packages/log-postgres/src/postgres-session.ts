import type { Clock, ViableError } from "@viable/kernel";
import type { ClientBase } from "pg";
import pg from "pg";
import { fromDriver, isLost, unavailable } from "./errors.ts";
import { inTransaction } from "./in-transaction.ts";
import { PostgresNews } from "./postgres-news.ts";
import type { Answer, Connection, Param, Row, Session, Statement, Unprepared } from "./session.ts";
import { nameConnection } from "./session.ts";

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
  readonly #commits: pg.Pool;
  readonly #reads: pg.Pool;
  readonly #migration: pg.ClientConfig;
  readonly #statements: pg.ClientConfig;
  readonly news: PostgresNews;
  readonly #onConnected: (settings: ServerSettings) => void;

  constructor(options: PostgresSessionOptions, onConnected: (settings: ServerSettings) => void) {
    const config = toConfig(options, options.statementTimeoutMs);
    this.#migration = toConfig(options, options.migrationTimeoutMs);
    this.#statements = config;
    this.news = new PostgresNews(config, options.clock);
    this.#onConnected = onConnected;
    this.#commits = new pg.Pool({
      ...config,
      max: 1,
      idleTimeoutMillis: 0,
      // Looked at again on every new connection: after a failover another server answers.
      onConnect: async (client) => {
        await client.query(settings);
        await client.query(nameConnection);
        onConnected(await readSettings(client));
      },
    });
    this.#reads = new pg.Pool({
      ...config,
      max: options.maxReadConnections,
      onConnect: async (client) => {
        await client.query(settings);
        await client.query("SET default_transaction_read_only = on");
      },
    });
    // An idle connection that breaks is replaced when it is next needed; without a listener it would end the process.
    for (const pool of [this.#commits, this.#reads]) pool.on("error", () => {});
  }

  write(statement: Statement, params: readonly Param[]): Promise<Answer> {
    return query(this.#commits, statement, params);
  }

  async read(statement: Statement | Unprepared, params: readonly Param[]): Promise<Row[]> {
    this.#refuseMoreReads();
    return (await query(this.#reads, statement, params)).rows;
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
    return lend(this.#commits, (connection) => inTransaction(connection, run));
  }

  #refuseMoreReads(): void {
    if (this.#reads.waitingCount < maxWaitingReads) return;
    throw unavailable(`${maxWaitingReads} reads wait for a connection to the database already.`);
  }

  /** Lends a connection of its own, with the bounds of a migration, for something that needs one throughout. */
  async exclusively(run: (connection: Connection) => Promise<void>): Promise<void> {
    await using own = await connectOwn(this.#migration);
    this.#onConnected(await readSettings(own.client).catch(rethrow));
    await run(own.connection);
  }

  /** A connection of its own, beside those for commits and reads, set as they are; to be let go of by whoever asked for it. */
  async connect(): Promise<OwnConnection> {
    const own = await connectOwn(this.#statements);
    await own.connection.script(settings);
    return own;
  }

  async close(): Promise<void> {
    await Promise.all([this.#commits.end(), this.#reads.end(), this.news.stop()]);
  }
}

/** A connection that is used by one caller alone and ends when disposed of. */
export interface OwnConnection extends AsyncDisposable {
  readonly connection: Connection;
  readonly client: ClientBase;
}

/** Sent so, a text of several statements is refused by the server, also where it has no parameters. */
type ExtendedQuery = pg.QueryConfig & { readonly queryMode?: "extended" };

async function connectOwn(config: pg.ClientConfig): Promise<OwnConnection> {
  const client = new pg.Client(config);
  // A connection that breaks says so to whoever waits for an answer on it; without a listener it would also end the process.
  client.on("error", () => {});
  const own: OwnConnection = {
    client,
    connection: connectionOver(client),
    [Symbol.asyncDispose]: async () => {
      await client.end().catch(() => {});
    },
  };
  try {
    await client.connect();
  } catch (error) {
    await own[Symbol.asyncDispose]();
    throw fromPg(error);
  }
  return own;
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

function connectionOver(client: ClientBase): Connection {
  const send = async (query: ExtendedQuery) => await client.query<Row>(query).catch(rethrow);
  return {
    query: async (text, params = []) => (await send({ text, values: [...params], queryMode: "extended" })).rows,
    execute: async (text, params) => (await send({ text, values: [...params], queryMode: "extended" })).rowCount ?? 0,
    script: async (text) => {
      await send({ text });
    },
  };
}

/**
 * What `pg` threw as what a store throws. Only its own class of errors is the database's answer; and none is an answer on what happened
 * where the server panics, as for want of room for its write-ahead log: it may have written others' commits, and ours, before.
 */
export function fromPg(thrown: unknown): ViableError {
  if (!(thrown instanceof pg.DatabaseError)) return fromDriver(thrown, undefined);
  if (thrown.severity === "PANIC") return unavailable(`The database ended: ${thrown.message}`, thrown);
  return fromDriver(thrown, thrown.code, thrown.constraint);
}

function rethrow(thrown: unknown): never {
  throw fromPg(thrown);
}

async function query(pool: pg.Pool, statement: Statement | Unprepared, params: readonly Param[]): Promise<Answer> {
  const { name, text } = statement;
  const config = { ...(name !== undefined && { name }), text, values: [...params], queryMode: "extended" };
  const { rows, rowCount } = await pool.query<Row>(config).catch(rethrow);
  return { rows, touched: rowCount ?? 0 };
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
