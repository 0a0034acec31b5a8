import { statfs } from "node:fs/promises";
import type { Clock } from "@viable/kernel";
import { BoundedQueue } from "@viable/kernel";
import { diskFull, refused, unavailable } from "./errors.ts";
import { migrate } from "./migrate.ts";
import type { Param, Row, Session, Statement } from "./session.ts";
import { WorkerLink } from "./worker-link.ts";

/** How many requests the worker is sent ahead: enough that it never waits for us, few enough that a commit soon has its turn. */
const maxInFlight = 4;
/** How many may wait for that. At some 2,000 reads a second, two seconds of work. */
const maxWaiting = 4_000;

interface Waiting {
  readonly statement: Statement;
  readonly params: readonly Param[];
  resolve(rows: Row[]): void;
  reject(reason: unknown): void;
}

/**
 * PGlite behind a worker thread. States: closed → opening → open → lost → opening (at the next request) → …; closed for good
 * by `close`. What was under way when the worker was lost is rejected as unavailable; a database in memory is then gone, and
 * every later request is refused rather than answered from an empty one.
 */
export class PgliteSession implements Session {
  readonly #dataDir: string | undefined;
  readonly #clock: Clock;
  readonly #writes = new BoundedQueue<Waiting>(maxWaiting);
  readonly #reads = new BoundedQueue<Waiting>(maxWaiting);
  #inFlight = 0;
  #link: Promise<WorkerLink> | undefined;
  #wasOpen = false;
  #closed = false;

  constructor(dataDir: string | undefined, clock: Clock) {
    this.#dataDir = dataDir;
    this.#clock = clock;
  }

  async open(): Promise<void> {
    await this.#connect();
    this.#wasOpen = true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const link = await this.#link?.catch(() => undefined);
    await link?.close();
  }

  write(statement: Statement, params: readonly Param[]): Promise<Row[]> {
    return this.#enqueue(this.#writes, statement, params);
  }

  read(statement: Statement, params: readonly Param[]): Promise<Row[]> {
    return this.#enqueue(this.#reads, statement, params);
  }

  #enqueue(queue: BoundedQueue<Waiting>, statement: Statement, params: readonly Param[]): Promise<Row[]> {
    return new Promise((resolve, reject) => {
      if (!queue.offer({ statement, params, resolve, reject })) {
        reject(unavailable(`${queue.maxItems} requests wait for the embedded database already.`));
      } else {
        this.#pump();
      }
    });
  }

  #pump(): void {
    while (this.#inFlight < maxInFlight) {
      const next = this.#writes.take() ?? this.#reads.take();
      if (next === undefined) return;
      this.#inFlight += 1;
      void this.#run(next);
    }
  }

  async #run(waiting: Waiting): Promise<void> {
    try {
      const link = await this.#connect();
      waiting.resolve(await link.request({ kind: "query", text: waiting.statement.text, params: waiting.params }));
    } catch (error) {
      waiting.reject(error);
    } finally {
      this.#inFlight -= 1;
      this.#pump();
    }
  }

  /** The worker there is, or a new one where it was lost. */
  #connect(): Promise<WorkerLink> {
    if (this.#closed) return Promise.reject(unavailable("The store is closed."));
    if (this.#link !== undefined) return this.#link;
    if (this.#wasOpen && this.#dataDir === undefined) {
      return Promise.reject(refused("The database in memory was lost with its thread.", "Start the process anew."));
    }
    const link = this.#start();
    this.#link = link;
    link.catch(() => {
      if (this.#link === link) this.#link = undefined;
    });
    return link;
  }

  async #start(): Promise<WorkerLink> {
    const link = await WorkerLink.start({ dataDir: this.#dataDir }, this.#clock, () => {
      this.#link = undefined;
    }).catch(async (error: unknown) => {
      throw (await isDiskFull(this.#dataDir)) ? diskFull(error) : error;
    });
    try {
      await migrate({
        query: (text) => link.request({ kind: "query", text, params: [] }),
        script: async (text) => {
          await link.request({ kind: "script", text });
        },
      });
    } catch (error) {
      await link.close();
      throw error;
    }
    return link;
  }
}

/** Less than this and the database cannot even start: its write-ahead log comes in files of 16 MiB. */
const minFreeBytes = 16 * 1024 * 1024;

/** PGlite does not say why it does not start; this is the reason that an operator can do something about. */
async function isDiskFull(dataDir: string | undefined): Promise<boolean> {
  if (dataDir === undefined) return false;
  const disk = await statfs(dataDir).catch(() => undefined);
  return disk !== undefined && disk.bavail * disk.bsize < minFreeBytes;
}
