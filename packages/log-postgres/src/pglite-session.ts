import type { Clock } from "@viable/kernel";
import { BoundedQueue } from "@viable/kernel";
import type { FormerDatabase } from "./database-identity.ts";
import { checkIsSame, checkIsThere, identityOf } from "./database-identity.ts";
import { diskFull, refused, unavailable } from "./errors.ts";
import { inTransaction } from "./in-transaction.ts";
import { isDiskFull } from "./is-disk-full.ts";
import { migrate } from "./migrate.ts";
import type { WorkerStart } from "./pglite-worker.ts";
import type { Answer, Connection, Param, Row, Session, Statement, Unprepared } from "./session.ts";
import { WorkerLink } from "./worker-link.ts";

/** How many requests the worker is sent ahead: enough that it never waits for us, few enough that a commit soon has its turn. */
const maxInFlight = 4;
/** How many may wait for that. At some 2,000 reads a second, two seconds of work. */
const maxWaiting = 4_000;
/** How many may wait for their turn to have the connection alone, each for some milliseconds: a second or two. */
const maxTurns = 500;
/** How long a thread may take to end once it was told to: it is stopped between two instructions, whatever it computes. */
const exitTimeoutMs = 10_000;

interface Waiting {
  readonly statement: Statement | Unprepared;
  readonly params: readonly Param[];
  resolve(answer: Answer): void;
  reject(reason: unknown): void;
}

/**
 * PGlite behind a worker thread. States: closed → opening → open → lost → opening (at the next request) → …; closed for good
 * by `close`. What was under way when the worker was lost is rejected as unavailable; a database in memory is then gone, and
 * every later request is refused rather than answered from an empty one. A directory is opened again only when the thread before has
 * ended (two would destroy each other's pages), and only with the database that was open in it: as long as there is none, or another,
 * requests are rejected as unavailable.
 */
export class PgliteSession implements Session {
  readonly #place: WorkerStart;
  readonly #clock: Clock;
  readonly #prepare: (connection: Connection) => Promise<void>;
  readonly #writes = new BoundedQueue<Waiting>(maxWaiting);
  readonly #reads = new BoundedQueue<Waiting>(maxWaiting);
  #inFlight = 0;
  #link: Promise<WorkerLink> | undefined;
  /** The end of the worker that was there last. */
  #exited: Promise<void> | undefined;
  /** Of the database that was open; undefined before one was. */
  #identity: string | undefined;
  #closed = false;
  /** Whether whoever asked for the connection alone has it. */
  #isHeld = false;
  /** The turns of those who asked for it, and how many there are. */
  #turns: Promise<unknown> = Promise.resolve();
  #turnsWaiting = 0;
  #onIdle: (() => void) | undefined;

  /** `prepare` is done on every connection before it is used by anybody else. */
  constructor(place: WorkerStart, clock: Clock, prepare: (connection: Connection) => Promise<void> = migrate) {
    this.#place = place;
    this.#clock = clock;
    this.#prepare = prepare;
  }

  async open(): Promise<void> {
    await this.#connect();
  }

  /** Resolves when no thread of ours has the directory any more; rejects where one does not end. */
  async close(): Promise<void> {
    this.#closed = true;
    const link = await this.#link?.catch(() => undefined);
    await link?.close();
    await this.#untilExited();
  }

  write(statement: Statement, params: readonly Param[]): Promise<Answer> {
    return this.#enqueue(this.#writes, statement, params);
  }

  async read(statement: Statement | Unprepared, params: readonly Param[]): Promise<Row[]> {
    return (await this.#enqueue(this.#reads, statement, params)).rows;
  }

  /**
   * Lends the connection to one who needs it for several statements: commits and reads wait meanwhile, so it is for what takes
   * milliseconds. One after the other.
   */
  exclusively<T>(run: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#turnsWaiting >= maxTurns) {
      return Promise.reject(unavailable(`${maxTurns} transactions wait for the embedded database already.`));
    }
    this.#turnsWaiting += 1;
    const turn = this.#turns.then(() => this.#runAlone(run)).finally(() => (this.#turnsWaiting -= 1));
    this.#turns = turn.catch(() => undefined);
    return turn;
  }

  readForeign(text: string, params: readonly Param[]): Promise<Row[]> {
    return this.exclusively(async (connection) => {
      await connection.script("BEGIN READ ONLY");
      try {
        return await connection.query(text, params);
      } finally {
        await connection.script("ROLLBACK");
      }
    });
  }

  transaction<T>(run: (connection: Connection) => Promise<T>): Promise<T> {
    return this.exclusively((connection) => inTransaction(connection, run));
  }

  async #runAlone<T>(run: (connection: Connection) => Promise<T>): Promise<T> {
    this.#isHeld = true;
    try {
      if (this.#inFlight > 0) {
        await new Promise<void>((resolve) => {
          this.#onIdle = resolve;
        });
      }
      return await run(connectionOver(await this.#connect()));
    } finally {
      this.#isHeld = false;
      this.#pump();
    }
  }

  #enqueue(queue: BoundedQueue<Waiting>, statement: Statement | Unprepared, params: readonly Param[]): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (!queue.offer({ statement, params, resolve, reject })) {
        reject(unavailable(`${queue.maxItems} requests wait for the embedded database already.`));
      } else {
        this.#pump();
      }
    });
  }

  #pump(): void {
    while (this.#inFlight < maxInFlight && !this.#isHeld) {
      const next = this.#writes.take() ?? this.#reads.take();
      if (next === undefined) return;
      this.#inFlight += 1;
      void this.#run(next);
    }
  }

  async #run(waiting: Waiting): Promise<void> {
    try {
      const link = await this.#connect();
      const { name, text } = waiting.statement;
      waiting.resolve(await link.request({ kind: "query", name, text, params: waiting.params }));
    } catch (error) {
      waiting.reject(error);
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#onIdle?.();
      this.#pump();
    }
  }

  /** The worker there is, or a new one where it was lost: over the same database. */
  #connect(): Promise<WorkerLink> {
    if (this.#closed) return Promise.reject(unavailable("The store is closed."));
    if (this.#link !== undefined) return this.#link;
    const { dataDir } = this.#place;
    const identity = this.#identity;
    if (identity !== undefined && dataDir === undefined) {
      return Promise.reject(refused("The database in memory was lost with its thread.", "Start the process anew."));
    }
    const former = identity === undefined || dataDir === undefined ? undefined : { dataDir, identity };
    const link = this.#start(former);
    this.#link = link;
    link.catch(() => {
      if (this.#link === link) this.#link = undefined;
    });
    return link;
  }

  async #start(former: FormerDatabase | undefined): Promise<WorkerLink> {
    await this.#untilExited();
    // The thread looks too. But it takes a while to start, and who waits here should not wait for one that finds nothing.
    if (former !== undefined) await checkIsThere(former.dataDir);
    const place = { ...this.#place, mustExist: former !== undefined };
    const link = await WorkerLink.start(place, this.#clock, (exited) => {
      this.#link = undefined;
      this.#exited = exited;
    }).catch(async (error: unknown) => {
      // A volume may have gone since: how full the one below its mount point is says nothing.
      if (former !== undefined) await checkIsThere(former.dataDir);
      throw (await isDiskFull(this.#place.dataDir, error)) ? diskFull(error) : error;
    });
    try {
      const connection = connectionOver(link);
      // First, or what is somebody else's would be migrated.
      if (former !== undefined) await checkIsSame(connection, former);
      await this.#prepare(connection);
      this.#identity ??= await identityOf(connection);
    } catch (error) {
      await link.close();
      throw error;
    }
    return link;
  }

  async #untilExited(): Promise<void> {
    const exited = this.#exited;
    if (exited === undefined) return;
    await new Promise<void>((resolve, reject) => {
      const tooLong = () =>
        reject(unavailable(`The former thread of the database still runs after ${exitTimeoutMs} ms.`));
      const timer = this.#clock.setTimer(tooLong, exitTimeoutMs, { background: true });
      void exited.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}

const connectionOver = (link: WorkerLink): Connection => ({
  query: async (text, params = []) => (await link.request({ kind: "query", text, params })).rows,
  execute: async (text, params) => (await link.request({ kind: "query", text, params })).touched,
  script: async (text) => {
    await link.request({ kind: "script", text });
  },
});
