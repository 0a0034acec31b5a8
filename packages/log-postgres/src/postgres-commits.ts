import { isConstraint, isLost, unavailable } from "./errors.ts";
import { inTransaction } from "./in-transaction.ts";
import type { OwnConnection } from "./postgres-connection.ts";
import { ask } from "./postgres-connection.ts";
import type { Answer, Connection, Param, Statement } from "./session.ts";

/**
 * The one connection that commits travel on. It is no pool's, though a pool of one would do the same: a pool hands its connection out at
 * the end of the turn, and a flush that is to be written before others go on would begin when they are done.
 *
 * A statement that comes during another follows it. During a transaction it waits: in its middle it would be a part of it.
 *
 * States: none → connecting (first statement) → open → none (the connection was lost) … → closed
 */
export class PostgresCommits {
  readonly #connect: () => Promise<OwnConnection>;
  #open: OwnConnection | undefined;
  #connecting: Promise<OwnConnection> | undefined;
  /** Ends with the transaction that is under way, if one is. */
  #transaction: Promise<unknown> | undefined;
  /** Statements and transactions that have not been answered. */
  readonly #unanswered = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(connect: () => Promise<OwnConnection>) {
    this.#connect = connect;
  }

  write(statement: Statement, params: readonly Param[]): Promise<Answer> {
    return this.#counted(this.#write(statement, params));
  }

  transaction<T>(run: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#counted(this.#runTransaction(run));
  }

  /** Waits for what is under way; what comes from now on is refused. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#unanswered);
    await this.#open?.[Symbol.asyncDispose]();
  }

  #write(statement: Statement, params: readonly Param[]): Promise<Answer> {
    return this.#whenFree(async (own) => {
      try {
        return await ask(own.client, statement, params);
      } catch (error) {
        // A broken constraint says nothing of the connection; of all else, what the server has prepared on it may be the reason.
        if (!isConstraint(error)) this.#drop(own);
        throw error;
      }
    });
  }

  #runTransaction<T>(run: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#whenFree(async (own) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#transaction = promise;
      try {
        return await inTransaction(own.connection, run);
      } catch (error) {
        if (isLost(error)) this.#drop(own);
        throw error;
      } finally {
        this.#transaction = undefined;
        resolve();
      }
    });
  }

  /** At once where it is open and no transaction is under way: then what is sent is on its way when this returns. */
  async #whenFree<T>(use: (own: OwnConnection) => Promise<T>): Promise<T> {
    for (;;) {
      if (this.#isClosed) throw unavailable("The store is closed.");
      if (this.#transaction !== undefined) await this.#transaction;
      else if (this.#open === undefined) await this.#opened();
      else return await use(this.#open);
    }
  }

  #drop(own: OwnConnection): void {
    if (this.#open === own) this.#open = undefined;
    void own[Symbol.asyncDispose]();
  }

  #opened(): Promise<OwnConnection> {
    this.#connecting ??= this.#openAnew().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #openAnew(): Promise<OwnConnection> {
    const own = await this.#connect();
    // One that breaks while nothing is asked is replaced when it is next needed.
    for (const event of ["error", "end"] as const) own.client.once(event, () => this.#drop(own));
    this.#open = own;
    return own;
  }

  #counted<T>(promise: Promise<T>): Promise<T> {
    this.#unanswered.add(promise);
    const done = () => this.#unanswered.delete(promise);
    promise.then(done, done);
    return promise;
  }
}
