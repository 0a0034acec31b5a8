import type { Context } from "@viable/kernel";
import { BoundedQueue, ViableError, waitFor, withContext } from "@viable/kernel";
import type { Claim } from "@viable/protocol";
import type { Child, ChildSpec } from "@viable/supervisor";
import type { Task } from "./task.ts";

export interface WorkerPoolSettings {
  readonly maxQueued: number;
  /** How long a worker that is asked to stop may go on with what it holds, in milliseconds. */
  readonly drainMs: number;
  /**
   * Calls back when the task is no longer this process's to end, since it has its outcome or another process has claimed it, with what that
   * means for whoever still works on it; returns how to listen no longer.
   */
  onOver(task: Task, callback: (reason: unknown) => void): () => void;
  /** Brings one task to its outcome. Resolves when that is recorded, or when it is no longer this worker's to record. */
  carryOut(task: Task, run: Run): Promise<void>;
  /** Called where a task's outcome could not be recorded. */
  onFailed(task: Task, error: unknown): void;
  /** Called for each task that could not be finished before its worker had to stop. */
  onUnfinished(task: Task): void;
  /** Called for each task that a worker held when it died. */
  onLost(task: Task, reason: string): void;
}

/** What carrying out a task is told by its worker, and tells it. */
export interface Run {
  /** Aborts when somebody else has said how the task ends, or when its worker is no more. */
  readonly signal: AbortSignal;
  /** The task waits for another from now on: its worker can take one up. Call what is returned when it no longer does. */
  onWait(): () => void;
  /** The agent has ended: its worker can take the next task, and the outcome that comes now is the task's own. */
  onDone(): void;
}

/** A task in hand, queued or held by a worker. */
interface Entry {
  readonly task: Task;
  readonly abort: AbortController;
  readonly stopListening: () => void;
}

interface Worker {
  readonly id: string;
  readonly held: Map<string, Entry>;
  /** Tasks being worked on, without those that wait for a delegated one. */
  active: number;
  state: "working" | "draining" | "dead";
  /** Resolves when it drains and holds nothing any more, or is dead. */
  readonly drained: PromiseWithResolvers<void>;
}

/** How long before its end a stop begins to give back what is unfinished, in milliseconds; half of what is left where that is less. */
export const giveBackMs = 1_000;

/**
 * A bounded queue of claimed tasks and the workers that take them, oldest first.
 *
 * A worker works on one task at a time; while a task waits for one it has delegated, its worker takes up another, so a chain
 * of delegations through few workers cannot come to a standstill. Each worker is a child of the swarm's supervisor: when one is
 * killed its tasks are aborted and handed back (`onLost`), and the others go on.
 *
 * Worker states: working → draining (asked to stop: finishes what it holds, and for that begins what this has delegated here) → dead;
 * working → dead (killed).
 */
export class WorkerPool {
  readonly #settings: WorkerPoolSettings;
  readonly #queue: BoundedQueue<Entry>;
  readonly #workers = new Map<string, Worker>();
  readonly #queuedIds = new Set<string>();
  /** What places are kept for, and how many: a command that is repeated may be on its way twice. */
  readonly #awaited = new Map<string, number>();
  #awaitedPlaces = 0;
  #isClosed = false;

  constructor(settings: WorkerPoolSettings) {
    this.#settings = settings;
    this.#queue = new BoundedQueue(settings.maxQueued);
  }

  /** Those that take tasks: one that drains does not count any more. */
  get workers(): number {
    let workers = 0;
    for (const worker of this.#workers.values()) if (worker.state === "working") workers += 1;
    return workers;
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
    let places = this.#queue.maxItems - this.#queue.size - this.#awaitedPlaces;
    for (const worker of this.#workers.values()) if (worker.state === "working" && worker.active === 0) places += 1;
    return places > 0;
  }

  /** Keeps a place for a task that is on its way; undefined where there is none. Give it back when the task has come, or will not. */
  reserve(executionId: string): (() => void) | undefined {
    if (!this.hasRoom) return undefined;
    this.#keep(executionId, 1);
    let isKept = true;
    return () => {
      if (isKept) this.#keep(executionId, -1);
      isKept = false;
    };
  }

  #keep(executionId: string, places: 1 | -1): void {
    const kept = (this.#awaited.get(executionId) ?? 0) + places;
    if (kept > 0) this.#awaited.set(executionId, kept);
    else this.#awaited.delete(executionId);
    this.#awaitedPlaces += places;
  }

  /** Whether the pool has this execution, queued or under way, or keeps a place for it: its acceptance may be read before it is answered. */
  holds(executionId: string): boolean {
    if (this.#awaited.has(executionId) || this.#queuedIds.has(executionId)) return true;
    for (const worker of this.#workers.values()) if (worker.held.has(executionId)) return true;
    return false;
  }

  /** Whether it is queued or under way here. */
  has(executionId: string): boolean {
    return this.#find(executionId) !== undefined;
  }

  /**
   * A task in hand was claimed anew, under another epoch: its outcome will be recorded under that claim. One of another attempt is another's
   * to do: what is in hand stays under its own, and comes to nothing. Answers whether there was one.
   */
  reclaim(executionId: string, claim: Claim): boolean {
    const task = this.#find(executionId)?.task;
    if (task?.claim.attempt !== claim.attempt) return false;
    task.claim = claim;
    return true;
  }

  /** Goes through the queue only where it is there: many may be claimed at once, and the queue be long. */
  #find(executionId: string): Entry | undefined {
    for (const { held } of this.#workers.values()) if (held.has(executionId)) return held.get(executionId);
    if (!this.#queuedIds.has(executionId)) return undefined;
    for (const entry of this.#queue) if (entry.task.state.executionId === executionId) return entry;
    return undefined;
  }

  /** Whether it takes nothing at all: its swarm does not run. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Takes tasks again: its swarm runs. */
  open(): void {
    this.#isClosed = false;
  }

  /** Its swarm has ended: takes nothing from now on, and hands back what is queued, which no worker may ever come for. */
  close(): void {
    this.#isClosed = true;
    this.handBackQueue();
  }

  /** Takes a claimed task; false where the queue is full, or it is closed. Whoever else says how it ends takes it off the queue, or ends its run. */
  offer(task: Task): boolean {
    if (this.#isClosed) return false;
    const free = this.#queue.size === 0 ? this.#freeFor(task) : undefined;
    if (free === undefined && this.#queue.size >= this.#queue.maxItems) return false;
    const { executionId } = task.state;
    const entry: Entry = {
      task,
      abort: new AbortController(),
      stopListening: this.#settings.onOver(task, (reason) => {
        if (this.#queuedIds.delete(executionId)) this.#queue.remove((each) => each === entry);
        else entry.abort.abort(reason);
      }),
    };
    if (free !== undefined) this.#begin(free, entry);
    else this.#enqueue(entry);
    return true;
  }

  /**
   * Stops all workers side by side: what has not begun is given back, what is held may end within `drainMs` and the context. A
   * task that waits for one that was delegated here could not end without it, so that one is still begun.
   */
  async drain(ctx: Context): Promise<void> {
    const draining = [...this.#workers.values()].map((worker) => this.#drain(worker, ctx));
    for (const entry of this.#takeQueued()) {
      if ([...this.#workers.values()].some((worker) => isParent(worker, entry.task))) this.#enqueue(entry);
      else this.#handBack(entry);
    }
    await Promise.all(draining);
    this.handBackQueue();
  }

  /** Empties the queue: what was in it is handed back as unfinished. For a pool whose workers have stopped. */
  handBackQueue(): void {
    for (const entry of this.#takeQueued()) this.#handBack(entry);
  }

  #enqueue(entry: Entry): void {
    this.#queue.offer(entry);
    this.#queuedIds.add(entry.task.state.executionId);
    this.#dispatch();
  }

  #takeQueued(): Entry[] {
    const entries = [...this.#queue];
    while (this.#queue.take() !== undefined);
    this.#queuedIds.clear();
    return entries;
  }

  #handBack(entry: Entry): void {
    entry.stopListening();
    this.#settings.onUnfinished(entry.task);
  }

  /** One worker, for a supervisor to start, stop and restart. */
  workerSpec(id: string): ChildSpec {
    return {
      id,
      restart: "permanent",
      stopWithinMs: this.#settings.drainMs + giveBackMs,
      start: async (ctx) => this.#startWorker(ctx, id),
    };
  }

  #startWorker(ctx: Context, id: string): Child {
    const worker: Worker = { id, held: new Map(), active: 0, state: "working", drained: Promise.withResolvers() };
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
    return { done: ended, stop: (stopCtx) => this.#drain(worker, stopCtx) };
  }

  async #drain(worker: Worker, ctx: Context): Promise<void> {
    if (worker.state === "working") worker.state = "draining";
    if (worker.held.size > 0) {
      // Its time ends earlier than the stop's: what is unfinished is given back then.
      await waitFor(drainTime(ctx, this.#settings.drainMs), worker.drained.promise).catch(() => undefined);
    }
    if (worker.state === "dead") return;
    const unfinished = [...worker.held.values()];
    this.#end(
      worker,
      new ViableError("swarm.stopping", "The worker was stopped before the task was done.", { retryable: true }),
    );
    for (const entry of unfinished) this.#handBack(entry);
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
    for (const { abort, stopListening } of worker.held.values()) {
      stopListening();
      abort.abort(reason);
    }
    worker.held.clear();
    worker.drained.resolve();
  }

  #freeFor(task: Task): Worker | undefined {
    for (const worker of this.#workers.values()) if (mayBegin(worker, task)) return worker;
    return undefined;
  }

  /** Gives each worker that is free the first task in the queue that it may begin. */
  #dispatch(): void {
    for (const worker of this.#workers.values()) {
      if (this.#queue.size === 0) return;
      if (worker.active > 0) continue;
      const entry =
        worker.state === "working" ? this.#queue.take() : this.#queue.remove(({ task }) => isParent(worker, task));
      if (entry === undefined) continue;
      this.#queuedIds.delete(entry.task.state.executionId);
      this.#begin(worker, entry);
    }
  }

  #begin(worker: Worker, entry: Entry): void {
    const { task, abort, stopListening } = entry;
    const { executionId } = task.state;
    worker.held.set(executionId, entry);
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
    const onDone = () => {
      stopListening();
      // From now on it only waits, for the disk.
      onWait();
    };
    const end = () => {
      if (waits === 0) worker.active -= 1;
      ended = true;
      stopListening();
      if (worker.held.get(executionId) === entry) worker.held.delete(executionId);
      if (worker.state === "draining" && worker.held.size === 0) worker.drained.resolve();
      if (worker.state !== "dead") this.#dispatch();
    };
    this.#settings
      .carryOut(task, { signal: abort.signal, onWait, onDone })
      .catch((error) => this.#settings.onFailed(task, error))
      .finally(end);
  }
}

/** Whether a worker may begin a task now: it works on nothing, and where it drains, one of its own waits for this. */
const mayBegin = (worker: Worker, task: Task): boolean =>
  worker.active === 0 && (worker.state === "working" || (worker.state === "draining" && isParent(worker, task)));

const isParent = (worker: Worker, { state }: Task): boolean =>
  state.accepted.parentId !== undefined && worker.held.has(state.accepted.parentId);

/** The same context, ending after `drainMs` at the latest and early enough that claims can still be given back within the original. */
function drainTime(ctx: Context, drainMs: number): Context {
  const now = ctx.runtime.clock.now();
  const leftMs = (ctx.deadline ?? Number.POSITIVE_INFINITY) - now;
  return withContext(ctx, { deadline: now + Math.min(drainMs, Math.max(leftMs / 2, leftMs - giveBackMs)) });
}
