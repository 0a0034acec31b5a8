import type { Context } from "@viable/kernel";
import { BoundedQueue, untilSettled, ViableError, withContext } from "@viable/kernel";
import type { Claim } from "@viable/protocol";
import type { Child, ChildSpec } from "@viable/supervisor";
import type { Task } from "./task.ts";

export interface WorkerPoolSettings {
  readonly maxQueued: number;
  /** Brings one task to its outcome. Resolves when that is recorded, or when it is no longer this worker's to record. */
  carryOut(task: Task, signal: AbortSignal, onWait: () => () => void): Promise<void>;
  /** Called where a task's outcome could not be recorded. */
  onFailed(task: Task, error: unknown): void;
  /** Called for each task that could not be finished before its worker had to stop. */
  onUnfinished(task: Task): void;
  /** Called for each task that a worker held when it died. */
  onLost(task: Task, reason: string): void;
}

interface Worker {
  readonly id: string;
  readonly held: Map<string, { readonly task: Task; readonly abort: AbortController }>;
  /** Tasks being worked on, without those that wait for a delegated one. */
  active: number;
  state: "working" | "draining" | "dead";
  onDrained: () => void;
}

/**
 * A bounded queue of claimed tasks and the workers that take them, oldest first.
 *
 * A worker works on one task at a time; while a task waits for one it has delegated, its worker takes up another, so a chain
 * of delegations through few workers cannot come to a standstill. Each worker is a child of the swarm's supervisor: when one is
 * killed its tasks are aborted and handed back (`onLost`), and the others go on.
 *
 * Worker states: working → draining (asked to stop: finishes what it holds) → dead; working → dead (killed).
 */
export class WorkerPool {
  readonly #settings: WorkerPoolSettings;
  readonly #queue: BoundedQueue<Task>;
  readonly #workers = new Map<string, Worker>();
  readonly #queuedIds = new Set<string>();
  #reserved = 0;

  constructor(settings: WorkerPoolSettings) {
    this.#settings = settings;
    this.#queue = new BoundedQueue(settings.maxQueued);
  }

  get workers(): number {
    return this.#workers.size;
  }

  get queued(): number {
    return this.#queue.size;
  }

  get running(): number {
    let running = 0;
    for (const worker of this.#workers.values()) running += worker.held.size;
    return running;
  }

  /** Whether a task offered now would be taken, beside those that places are kept for. */
  get hasRoom(): boolean {
    let places = this.#queue.maxItems - this.#queue.size - this.#reserved;
    for (const worker of this.#workers.values()) if (worker.state === "working" && worker.active === 0) places += 1;
    return places > 0;
  }

  /** Keeps a place for a task that is on its way; undefined where there is none. Give it back when the task has come, or will not. */
  reserve(): (() => void) | undefined {
    if (!this.hasRoom) return undefined;
    this.#reserved += 1;
    let kept = true;
    return () => {
      if (kept) this.#reserved -= 1;
      kept = false;
    };
  }

  /** Whether the pool has this execution, queued or under way. */
  holds(executionId: string): boolean {
    if (this.#queuedIds.has(executionId)) return true;
    for (const worker of this.#workers.values()) if (worker.held.has(executionId)) return true;
    return false;
  }

  /** A task in hand was claimed anew, under another epoch: its outcome will be recorded under that claim. */
  reclaim(executionId: string, claim: Claim): void {
    for (const task of this.#queue) if (task.state.executionId === executionId) task.claim = claim;
    for (const worker of this.#workers.values()) {
      const held = worker.held.get(executionId);
      if (held !== undefined) held.task.claim = claim;
    }
  }

  /** Takes a claimed task; false where the queue is full. */
  offer(task: Task): boolean {
    const idle = this.#idle();
    if (idle !== undefined && this.#queue.size === 0) {
      this.#begin(idle, task);
      return true;
    }
    if (!this.#queue.offer(task)) return false;
    this.#queuedIds.add(task.state.executionId);
    this.#dispatch();
    return true;
  }

  /** Empties the queue: what was in it is handed back as unfinished. For a pool whose workers have stopped. */
  handBackQueue(): void {
    for (let task = this.#queue.take(); task !== undefined; task = this.#queue.take()) {
      this.#queuedIds.delete(task.state.executionId);
      this.#settings.onUnfinished(task);
    }
  }

  /** Takes an execution off the queue or ends its run, because somebody else has said how it ends. */
  abandon(executionId: string, reason: unknown): void {
    if (this.#queuedIds.delete(executionId)) this.#queue.remove((task) => task.state.executionId === executionId);
    for (const worker of this.#workers.values()) worker.held.get(executionId)?.abort.abort(reason);
  }

  /** One worker, for a supervisor to start, stop and restart. */
  workerSpec(id: string): ChildSpec {
    return { id, restart: "permanent", start: async (ctx) => this.#startWorker(ctx, id) };
  }

  #startWorker(ctx: Context, id: string): Child {
    const worker: Worker = { id, held: new Map(), active: 0, state: "working", onDrained: () => {} };
    this.#workers.set(id, worker);
    const ended = new Promise<void>((_, reject) => {
      ctx.signal.addEventListener(
        "abort",
        () => {
          this.#kill(worker, "its worker was killed");
          reject(ctx.signal.reason);
        },
        { once: true },
      );
    });
    this.#dispatch();
    return {
      done: ended,
      stop: async (stopCtx) => {
        if (worker.state !== "working") return;
        worker.state = "draining";
        if (worker.held.size > 0) {
          await untilSettled(leavingTime(stopCtx), (resolve) => {
            worker.onDrained = resolve;
            return () => {};
          }).catch(() => undefined);
        }
        const unfinished = [...worker.held.values()];
        this.#end(
          worker,
          new ViableError("swarm.stopping", "The worker was stopped before the task was done.", { retryable: true }),
        );
        for (const { task } of unfinished) this.#settings.onUnfinished(task);
      },
    };
  }

  #kill(worker: Worker, reason: string): void {
    if (worker.state === "dead") return;
    const lost = [...worker.held.values()];
    this.#end(worker, new ViableError("swarm.worker_died", `The task was aborted: ${reason}.`, { retryable: true }));
    for (const { task } of lost) this.#settings.onLost(task, reason);
  }

  #end(worker: Worker, reason: ViableError): void {
    worker.state = "dead";
    this.#workers.delete(worker.id);
    for (const { abort } of worker.held.values()) abort.abort(reason);
    worker.held.clear();
  }

  #idle(): Worker | undefined {
    for (const worker of this.#workers.values()) if (worker.state === "working" && worker.active === 0) return worker;
    return undefined;
  }

  #dispatch(): void {
    for (;;) {
      const idle = this.#idle();
      if (idle === undefined) return;
      const task = this.#queue.take();
      if (task === undefined) return;
      this.#queuedIds.delete(task.state.executionId);
      this.#begin(idle, task);
    }
  }

  #begin(worker: Worker, task: Task): void {
    const { executionId } = task.state;
    const abort = new AbortController();
    worker.held.set(executionId, { task, abort });
    worker.active += 1;
    let waits = 0;
    // What it waited for may let go of it after its end, when the worker counts it no more.
    let ended = false;
    const onWait = () => {
      let waiting = true;
      if (waits++ === 0 && !ended) {
        worker.active -= 1;
        this.#dispatch();
      }
      return () => {
        if (!waiting) return;
        waiting = false;
        if (--waits === 0 && !ended) worker.active += 1;
      };
    };
    const end = () => {
      if (waits === 0) worker.active -= 1;
      ended = true;
      if (worker.held.get(executionId)?.abort === abort) worker.held.delete(executionId);
      if (worker.held.size === 0) worker.onDrained();
      if (worker.state === "working") this.#dispatch();
    };
    this.#settings
      .carryOut(task, abort.signal, onWait)
      .catch((error) => this.#settings.onFailed(task, error))
      .finally(end);
  }
}

/** How long before its end a stop begins to give back what is unfinished, in milliseconds; half of what is left where that is less. */
const giveBackMs = 1_000;

/** The same context, ending early enough that claims can still be given back within the original. */
function leavingTime(ctx: Context): Context {
  if (ctx.deadline === undefined) return ctx;
  const now = ctx.runtime.clock.now();
  const leftMs = ctx.deadline - now;
  return withContext(ctx, { deadline: now + Math.max(leftMs / 2, leftMs - giveBackMs) });
}
