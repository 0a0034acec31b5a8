import type { Runtime } from "@viable/kernel";
import { rootContext } from "@viable/kernel";
import type { Log, LogPage } from "@viable/log";
import type { OpenRun } from "./open-run.ts";
import { readFirst } from "./read-run.ts";

/** How many runs are read from the log in one question: the second half of what is being loaded is read while the first is claimed. */
const maxReads = 256;
/** How many runs are being loaded at the same time, from the question to the claim: as many claims as the log takes in one flush. */
const maxLoads = 2 * maxReads;
const nothingRead: LogPage = { events: [], isEnd: false };

/** What loading runs needs of whoever has them loaded. */
export interface LoaderPorts {
  readonly log: Log;
  readonly runtime: Runtime;
  get(runId: string): OpenRun | undefined;
  /** How many more may be carried on here. */
  room(): number;
  /** Goes on with a run whose first events are read. */
  load(run: OpenRun, first: LogPage): Promise<void>;
  /** A run that was loaded has come further meanwhile: what came may have been missed. */
  changed(run: OpenRun): void;
}

/**
 * Has runs loaded, many of them in one question to the log, and no more at a time than there is room for.
 *
 * States of a run, here: waiting (in their order) → reading → loading → done. One that is asked for while it is loaded is not loaded again;
 * whoever asks is told where it has come further.
 */
export class RunLoader {
  readonly #ports: LoaderPorts;
  readonly #waiting = new Set<string>();
  readonly #loading = new Set<string>();
  #isReading = false;
  #isStopped = false;

  constructor(ports: LoaderPorts) {
    this.#ports = ports;
  }

  /** How many wait to be read. */
  get waiting(): number {
    return this.#waiting.size;
  }

  isWaiting(runId: string): boolean {
    return this.#waiting.has(runId);
  }

  /** Has a run loaded, when it is its turn. */
  add(runId: string): void {
    if (this.#isStopped) return;
    this.#waiting.add(runId);
    this.loadNext();
  }

  /** There may be more room. */
  loadNext(): void {
    if (this.#isReading || this.#waiting.size === 0) return;
    this.#isReading = true;
    void this.#readWaiting();
  }

  /** Loads no more. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting.clear();
  }

  /** One question at a time: what comes to wait meanwhile is read in the next one, together. */
  async #readWaiting(): Promise<void> {
    const { runtime, log } = this.#ports;
    const ctx = rootContext(runtime);
    // What comes to wait, and what is done loading, in the same turn of the loop makes one question and not many.
    for (;;) {
      await runtime.clock.nextTurn();
      const runs = this.#takeWaiting();
      if (runs.length === 0) break;
      const seen = runs.map(({ version }) => version);
      const ids = runs.map(({ runId }) => runId);
      // What keeps one of them from being read must not keep the others: each is then read by itself, and where that fails it is told why.
      const pages = await readFirst(ctx, log, ids).catch(() => undefined);
      runs.forEach((run, at) => void this.#load(run, seen[at] as number, pages?.[at] ?? nothingRead));
    }
    this.#isReading = false;
  }

  /** Runs to be read now, as many as there is room for. */
  #takeWaiting(): OpenRun[] {
    const runs: OpenRun[] = [];
    const room = Math.min(maxReads, maxLoads - this.#loading.size, this.#ports.room() - this.#loading.size);
    for (const runId of this.#waiting) {
      if (runs.length >= room) break;
      this.#waiting.delete(runId);
      const run = this.#ports.get(runId);
      if (run === undefined || this.#loading.has(runId)) continue;
      this.#loading.add(runId);
      runs.push(run);
    }
    return runs;
  }

  /** `seen` is the version that it was known by when it was asked for. */
  async #load(run: OpenRun, seen: number, first: LogPage): Promise<void> {
    try {
      await this.#ports.load(run, first);
    } finally {
      this.#loading.delete(run.runId);
      if (run.version > seen) this.#ports.changed(run);
      this.loadNext();
    }
  }
}
