import type { ViableError } from "@viable/kernel";
import type { ClientBase } from "pg";
import pg from "pg";
import { fromDriver, unavailable } from "./errors.ts";
import type { MigrationSession, Param, Row, Session, Statement } from "./session.ts";

export interface PostgresSessionOptions {
  readonly connectionString: string;
  /** Connections for reads; one more is kept for commits. */
  readonly maxReadConnections: number;
  /** How long a statement may take, in milliseconds, before the server cancels it. */
  readonly statementTimeoutMs: number;
  readonly connectTimeoutMs: number;
}

/** How much longer than the server we wait for its answer: beyond it, the way to it is broken and the connection is dropped. */
const answerGraceMs = 2_000;
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

  constructor(options: PostgresSessionOptions, onConnected: (settings: ServerSettings) => void) {
    const config: pg.PoolConfig = {
      connectionString: options.connectionString,
      application_name: "viable",
      connectionTimeoutMillis: options.connectTimeoutMs,
      statement_timeout: options.statementTimeoutMs,
      query_timeout: options.statementTimeoutMs + answerGraceMs,
      keepAlive: true,
      types: { getTypeParser: typeParser as typeof pg.types.getTypeParser },
    };
    this.#commits = new pg.Pool({
      ...config,
      max: 1,
      idleTimeoutMillis: 0,
      // Looked at again on every new connection: after a failover another server answers.
      onConnect: async (client) => onConnected(await prepareConnection(client)),
    });
    this.#reads = new pg.Pool({
      ...config,
      max: options.maxReadConnections,
      onConnect: async (client) => {
        await prepareConnection(client);
      },
    });
    // An idle connection that breaks is replaced when it is next needed; without a listener it would end the process.
    for (const pool of [this.#commits, this.#reads]) pool.on("error", () => {});
  }

  write(statement: Statement, params: readonly Param[]): Promise<Row[]> {
    return query(this.#commits, statement, params);
  }

  async read(statement: Statement, params: readonly Param[]): Promise<Row[]> {
    if (this.#reads.waitingCount >= maxWaitingReads) {
      throw unavailable(`${maxWaitingReads} reads wait for a connection to the database already.`);
    }
    return query(this.#reads, statement, params);
  }

  /** Lends the commit connection for something that needs one connection throughout. */
  async exclusively(run: (session: MigrationSession) => Promise<void>): Promise<void> {
    let client: pg.PoolClient;
    try {
      client = await this.#commits.connect();
    } catch (error) {
      throw fromPg(error);
    }
    const send = async (text: string): Promise<Row[]> => {
      try {
        return (await client.query<Row>(text)).rows;
      } catch (error) {
        throw fromPg(error);
      }
    };
    try {
      await run({
        query: send,
        script: async (text) => {
          await send(text);
        },
      });
      client.release();
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#commits.end(), this.#reads.end()]);
  }
}

/** What `pg` threw as what a store throws. Only its own class of errors is the database's answer. */
export const fromPg = (thrown: unknown): ViableError =>
  fromDriver(thrown, thrown instanceof pg.DatabaseError ? thrown.code : undefined);

async function query(pool: pg.Pool, statement: Statement, params: readonly Param[]): Promise<Row[]> {
  try {
    return (await pool.query<Row>({ name: statement.name, text: statement.text, values: [...params] })).rows;
  } catch (error) {
    throw fromPg(error);
  }
}

async function prepareConnection(client: ClientBase): Promise<ServerSettings> {
  // See migration 1: a plan made for an empty table must not read a large one from end to end.
  await client.query("SET enable_seqscan = off");
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
