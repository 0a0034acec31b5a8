import type { Clock, ViableError } from "@viable/kernel";
import type { ClientBase } from "pg";
import pg from "pg";
import { fromDriver, unavailable } from "./errors.ts";
import type { Answer, Connection, Param, Row, Statement, Unprepared } from "./session.ts";

/** A connection that is used by one caller alone and ends when disposed of. */
export interface OwnConnection extends AsyncDisposable {
  readonly connection: Connection;
  readonly client: ClientBase;
}

/** Sent so, a text of several statements is refused by the server, also where it has no parameters. */
type ExtendedQuery = pg.QueryConfig & { readonly queryMode?: "extended" };

/** How long the server may take to close a connection that we have taken leave of, in milliseconds: where it is alive, a moment. */
const leaveMs = 2_000;

/** Has a connection that is open end at last, also where the other side does not answer our goodbye. */
export function endInTime(client: ClientBase, clock: Clock): void {
  const { stream } = (client as pg.Client).connection;
  stream.once("finish", () => {
    const timer = clock.setTimer(() => stream.destroy(), leaveMs, { background: true });
    stream.once("close", () => timer.cancel());
  });
}

/** The server's process behind a connection, which the driver knows and its types do not. */
export const backendOf = (client: ClientBase): number | null =>
  (client as unknown as { processID: number | null }).processID;

/** Connects; a connection that did not come about is let go of. */
export async function connectOwn(config: pg.ClientConfig, clock: Clock): Promise<OwnConnection> {
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
  endInTime(client, clock);
  return own;
}

export function connectionOver(client: ClientBase): Connection {
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

export function rethrow(thrown: unknown): never {
  throw fromPg(thrown);
}

/** Sends one statement over a connection, or over whichever of a pool's is free. */
export async function ask(
  way: ClientBase | pg.Pool,
  { name, text }: Statement | Unprepared,
  params: readonly Param[],
): Promise<Answer> {
  const config: ExtendedQuery = {
    ...(name !== undefined && { name }),
    text,
    values: [...params],
    queryMode: "extended",
  };
  const { rows, rowCount } = await way.query<Row>(config).catch(rethrow);
  return { rows, touched: rowCount ?? 0 };
}
