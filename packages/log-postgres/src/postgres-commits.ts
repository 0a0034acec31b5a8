import { isConstraint, isLost, unavailable } from "./errors.ts";
import { inTransaction } from "./in-transaction.ts";
import type { OwnConnection } from "./postgres-connection.ts";
import { ask } from "./postgres-connection.ts";
import type { Answer, Connection, Param, Statement } from "./session.ts";

/**
 * How many may wait for their turn. Group commit asks for one at a time, and beside it only what clears away: more than this, and
 * somebody asks without waiting for the answers.
 */
const maxTurns = 500;

/**
 * The one connection that commits travel on. It is no pool's, though a pool of one would do the same: a pool hands its connection out at
 * the end of the turn, and a flush that is to be written before others go on would begin when they are done.
 *
 * One thing at a time is on its way: a statement that follows a transaction would be a part of it, and one that follows a statement that
 * fails would go down with its connection, and nobody knew whether it happened.
 *
 * States: none → connecting (the first turn) → open → none (the connection was lost) … → closed
 */
export class PostgresCommits {
  readonly #connect: () => Promise<OwnConnection>;
  #open: OwnConnection | undefined;
  /** Ends with the last of the turns; there is none where nobody has one. */
  #last: Promise<void> | undefined;
  #turns = 0;
  /** Connections that were dropped and are not gone yet. */
  readonly #ending = new Set<Promise<void>>();
  #isClosed = false;

  constructor(connect: () => Promise<OwnConnection>) {
    this.#connect = connect;
  }

  /** Where nobody else has a turn, and the connection is open, the statement is on its way when this returns. */
  write(statement: Statement, params: readonly Param[]): Promise<Answer> {
    return this.#inTurn(async (own) => {
      try {
        return await ask(own.client, statement, params);
      } catch (error) {
        // A broken constraint says nothing of the connection; of all else, what the server has prepared on it may be the reason.
        if (!isConstraint(error)) this.#drop(own);
        throw error;
      }
    });
  }

  transaction<T>(run: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#inTurn(async (own) => {
      try {
        return await inTransaction(own.connection, run);
      } catch (error) {
        // One that did not answer would answer nobody else either.
        if (isLost(error)) this.#drop(own);
        throw error;
      }
    });
  }

  /** Waits for what is under way; what comes from now on, or waits for its turn, is refused. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    if (this.#open !== undefined) this.#drop(this.#open);
    await Promise.all(this.#ending);
  }

  #inTurn<T>(use: (own: OwnConnection) => Promise<T>): Promise<T> {
    if (this.#turns >= maxTurns) {
      return Promise.reject(unavailable(`${maxTurns} commits wait for the database already.`));
    }
    this.#turns += 1;
    const turn = this.#last === undefined ? this.#use(use) : this.#last.then(() => this.#use(use));
    const over = () => {
      this.#turns -= 1;
      if (this.#last === last) this.#last = undefined;
    };
    const last: Promise<void> = turn.then(over, over);
    this.#last = last;
    return turn;
  }

  async #use<T>(use: (own: OwnConnection) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw unavailable("The store is closed.");
    return await use(this.#open ?? (await this.#openAnew()));
  }

  #drop(own: OwnConnection): void {
    if (this.#open === own) this.#open = undefined;
    const ending = Promise.resolve(own[Symbol.asyncDispose]()).finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  async #openAnew(): Promise<OwnConnection> {
    const own = await this.#connect();
    // One that breaks while nothing is asked is replaced when it is next needed.
    for (const event of ["error", "end"] as const) own.client.once(event, () => this.#drop(own));
    this.#open = own;
    return own;
  }
}
