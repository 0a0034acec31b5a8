import { Worker } from "node:worker_threads";
import type { Clock, Timer } from "@viable/kernel";
import { fromDriver, unavailable } from "./errors.ts";
import type { WorkerReply, WorkerRequest, WorkerStart } from "./pglite-worker.ts";
import type { Answer } from "./session.ts";

/** The worker's file: beside this one, as source under type stripping and as built. */
const workerUrl = new URL(
  import.meta.url.endsWith(".ts") ? "./pglite-worker.ts" : "./pglite-worker.js",
  import.meta.url,
);

/** The very first open of an empty directory takes four seconds, on a busy small machine twelve. */
const startTimeoutMs = 120_000;
/** No statement of ours takes a second; a worker that is silent for this long does not work any more. */
const replyTimeoutMs = 60_000;
/** How long a clean shutdown may take before the thread is ended: what was answered is in the files already. */
const closeTimeoutMs = 10_000;

interface Pending {
  readonly timer: Timer;
  resolve(answer: Answer): void;
  reject(reason: unknown): void;
}

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

/**
 * One worker thread for as long as it lives. States: starting → serving → gone. Whatever ends it (its crash, its silence, an
 * error that is not the database's own) rejects all that waits with `log.store_unavailable`, and calls `onGone` once, with a promise
 * of the thread's end: until then it may still be writing.
 */
export class WorkerLink {
  readonly #worker: Worker;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<void>;
  readonly #onGone: (exited: Promise<void>) => void;
  #nextId = 0;
  #gone = false;

  private constructor(start: WorkerStart, clock: Clock, onGone: (exited: Promise<void>) => void) {
    this.#clock = clock;
    this.#onGone = onGone;
    // The worker needs none of this process's options, and some (`--input-type`, loaders) would keep it from starting.
    this.#worker = new Worker(workerUrl, { name: "viable-pglite", workerData: start, execArgv: [] });
    this.#worker.on("message", (reply: WorkerReply) => this.#settle(reply));
    this.#worker.on("error", (error) => this.#end(error));
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", (code) => {
        this.#end(new Error(`the worker thread ended with code ${code}`));
        resolve();
      });
    });
  }

  /** Resolves when the database is open; rejects when it is not, and the thread is gone. */
  static async start(start: WorkerStart, clock: Clock, onGone: (exited: Promise<void>) => void): Promise<WorkerLink> {
    const link = new WorkerLink(start, clock, onGone);
    try {
      await link.#await(startTimeoutMs);
    } catch (error) {
      link.#end(new Error("the database could not be opened"));
      throw error;
    }
    return link;
  }

  request(request: WithoutId<WorkerRequest>): Promise<Answer> {
    if (this.#gone) return Promise.reject(unavailable("The embedded database's thread has ended."));
    const reply = this.#await(request.kind === "close" ? closeTimeoutMs : replyTimeoutMs);
    this.#worker.postMessage({ id: this.#nextId - 1, ...request });
    return reply;
  }

  /** Lets the database write what it holds, then ends the thread. */
  async close(): Promise<void> {
    await this.request({ kind: "close" }).catch(() => {});
    this.#end(new Error("the worker thread was ended"));
  }

  /** Waits for the reply to the next id. The first, 0, is given to the start. */
  #await(timeoutMs: number): Promise<Answer> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(() => this.#end(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs, {
        background: true,
      });
      this.#pending.set(id, { timer, resolve, reject });
    });
  }

  #settle(reply: WorkerReply): void {
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    pending.timer.cancel();
    if (!("error" in reply)) {
      pending.resolve(reply);
      return;
    }
    const error = new Error(reply.error.message);
    pending.reject(fromDriver(error, reply.error.sqlState, reply.error.constraint));
    // After a panic PGlite would take further requests and never answer one.
    if (reply.error.fatal) this.#end(error);
  }

  #end(cause: Error): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const pending of this.#pending.values()) {
      pending.timer.cancel();
      pending.reject(unavailable(`The embedded database was lost: ${cause.message}`, cause));
    }
    this.#pending.clear();
    void this.#worker.terminate();
    this.#onGone(this.#exited);
  }
}
