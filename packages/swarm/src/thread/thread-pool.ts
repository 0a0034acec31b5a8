import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { Clock, JsonValue, Timer } from "@viable/kernel";
import { BoundedQueue, fromWire, ViableError } from "@viable/kernel";
import type { FromThread, ThreadTask, ToThread } from "./messages.ts";

export interface ThreadPoolSettings {
  readonly clock: Clock;
  /** Threads that may compute at once. One less than there are cores, at least one: the main thread needs a core to be on time. */
  readonly maxThreads: number;
  /** Tasks that may wait for a thread; one more fails as overloaded. Default 1,000: workers bound it far below. */
  readonly maxQueued?: number;
}

export interface ThreadRun {
  readonly task: Omit<ThreadTask, "kind">;
  readonly maxMemoryMb: number;
  readonly signal: AbortSignal;
  onProgress(percent: number, message: string, metadata: { readonly [key: string]: JsonValue } | undefined): void;
}

/** How long an idle thread is kept for the next task of the same kind, in milliseconds: its modules are loaded, but it holds memory. */
const idleMs = 5_000;
/** How long an aborted task may take to notice, in milliseconds, before its thread is ended. */
const graceMs = 2_000;

/**
 * Runs agents' computing outside the main thread, in bounded memory. A thread does one task at a time, for any agent with the
 * same memory bound. A task that outlives its abort by two seconds, leaks past its bound or exits takes its thread with it
 * and nothing else.
 */
export class ThreadPool {
  readonly #settings: ThreadPoolSettings;
  readonly #waiting: BoundedQueue<{ run: ThreadRun; resolve(value: JsonValue): void; reject(reason: unknown): void }>;
  readonly #idle = new Map<Worker, { maxMemoryMb: number; timer: Timer }>();
  readonly #all = new Set<Worker>();
  #busy = 0;
  #stopped = false;

  constructor(settings: ThreadPoolSettings) {
    this.#settings = settings;
    this.#waiting = new BoundedQueue(settings.maxQueued ?? 1_000);
  }

  get busy(): number {
    return this.#busy;
  }

  run(run: ThreadRun): Promise<JsonValue> {
    return new Promise((resolve, reject) => {
      if (this.#stopped) return reject(threadsStopped());
      const waiting = { run, resolve, reject };
      if (!this.#waiting.offer(waiting)) {
        return reject(
          new ViableError("agent.threads_overloaded", "Too many tasks wait for a thread.", { retryable: true }),
        );
      }
      run.signal.addEventListener(
        "abort",
        () => {
          // One that has not begun is simply not begun.
          if (this.#waiting.remove((each) => each === waiting) !== undefined) reject(run.signal.reason);
        },
        { once: true },
      );
      this.#next();
    });
  }

  /** Ends every thread. Tasks under way are rejected. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (let waiting = this.#waiting.take(); waiting !== undefined; waiting = this.#waiting.take())
      waiting.reject(threadsStopped());
    for (const { timer } of this.#idle.values()) timer.cancel();
    this.#idle.clear();
    await Promise.all([...this.#all].map((worker) => worker.terminate()));
  }

  #next(): void {
    if (this.#busy >= this.#settings.maxThreads) return;
    const waiting = this.#waiting.take();
    if (waiting === undefined) return;
    this.#busy += 1;
    this.#carryOut(waiting.run)
      .then(waiting.resolve, waiting.reject)
      .finally(() => {
        this.#busy -= 1;
        this.#next();
      });
  }

  // Also where no thread is to be had, this is a rejection and no throw: the place is given back.
  async #carryOut(run: ThreadRun): Promise<JsonValue> {
    return await this.#work(this.#takeIdle(run.maxMemoryMb) ?? this.#spawn(run.maxMemoryMb), run);
  }

  #work(worker: Worker, run: ThreadRun): Promise<JsonValue> {
    return new Promise<JsonValue>((resolve, reject) => {
      let grace: Timer | undefined;
      const finish = (settle: () => void, reusable: boolean) => {
        grace?.cancel();
        run.signal.removeEventListener("abort", onAbort);
        forgetListeners(worker);
        if (reusable && !this.#stopped) this.#keepIdle(worker, run.maxMemoryMb);
        else this.#end(worker);
        settle();
      };
      const onAbort = () => {
        worker.postMessage({ kind: "abort", reason: String(run.signal.reason) } satisfies ToThread);
        grace = this.#settings.clock.setTimer(() => finish(() => reject(run.signal.reason), false), graceMs);
      };
      worker.on("message", (message: FromThread) => {
        if (message.kind === "progress") run.onProgress(message.percent, message.message, message.metadata);
        else if (message.kind === "result") finish(() => resolve(message.result), true);
        else finish(() => reject(fromWire(message.error)), true);
      });
      worker.on("messageerror", (error) => finish(() => reject(error), false));
      worker.on("error", (error) => finish(() => reject(toAgentError(error, run)), false));
      worker.on("exit", (code) =>
        finish(
          () => reject(new ViableError("agent.exited", `The agent's thread ended by itself (exit status ${code}).`)),
          false,
        ),
      );
      run.signal.addEventListener("abort", onAbort, { once: true });
      worker.ref();
      try {
        worker.postMessage({ kind: "task", ...run.task } satisfies ToThread);
      } catch (error) {
        // Nothing has reached the thread: it is as idle as before.
        finish(() => reject(uncopyable(error, run)), true);
        return;
      }
      if (run.signal.aborted) onAbort();
    });
  }

  #spawn(maxMemoryMb: number): Worker {
    const worker = new Worker(entryFile(), {
      resourceLimits: { maxOldGenerationSizeMb: maxMemoryMb },
      // What an agent prints must not get into our own output, which may be JSON for another program.
      stdout: true,
      stderr: true,
    });
    worker.stdout.resume();
    worker.stderr.resume();
    this.#all.add(worker);
    return worker;
  }

  #takeIdle(maxMemoryMb: number): Worker | undefined {
    for (const [worker, idle] of this.#idle) {
      if (idle.maxMemoryMb !== maxMemoryMb) continue;
      idle.timer.cancel();
      this.#idle.delete(worker);
      forgetListeners(worker);
      return worker;
    }
    return undefined;
  }

  #keepIdle(worker: Worker, maxMemoryMb: number): void {
    worker.unref();
    const forget = () => {
      this.#idle.get(worker)?.timer.cancel();
      this.#idle.delete(worker);
      this.#end(worker);
    };
    worker.on("error", forget);
    worker.on("exit", forget);
    this.#idle.set(worker, { maxMemoryMb, timer: this.#settings.clock.setTimer(forget, idleMs, { background: true }) });
  }

  #end(worker: Worker): void {
    this.#all.delete(worker);
    forgetListeners(worker);
    // Nobody listens any more; a late error of a thread that is being ended must not end the process.
    worker.on("error", () => undefined);
    void worker.terminate();
  }
}

const threadsStopped = (): ViableError =>
  new ViableError("agent.threads_stopped", "The process is stopping.", { retryable: true });

const uncopyable = (error: unknown, run: ThreadRun): ViableError =>
  new ViableError("agent.uncopyable_input", `The input of "${run.task.agent}" cannot be copied into its thread.`, {
    next: "Let the agent's input schema yield plain data: no functions and no promises.",
    cause: error,
  });

function toAgentError(error: unknown, run: ThreadRun): ViableError {
  if (error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY") {
    return new ViableError(
      "agent.out_of_memory",
      `The agent "${run.task.agent}" used more than its ${run.maxMemoryMb} MiB.`,
      {
        next: "Give it less to do at once, or raise its maxMemoryMb.",
      },
    );
  }
  return new ViableError("agent.crashed", `The agent "${run.task.agent}" crashed its thread.`, { cause: error });
}

/** Only ours: a worker has listeners of its own that carry its messages. */
function forgetListeners(worker: Worker): void {
  for (const event of ["message", "messageerror", "error", "exit"]) worker.removeAllListeners(event);
}

/** The entry is a file of its own, TypeScript in the workspace and JavaScript in a published package. */
function entryFile(): URL {
  const source = new URL("./entry.ts", import.meta.url);
  return existsSync(fileURLToPath(source)) ? source : new URL("./entry.js", import.meta.url);
}
