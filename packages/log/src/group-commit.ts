import type { Runtime } from "@viable/kernel";
import { backoffMs, ViableError } from "@viable/kernel";
import { logClosed, logUnavailable } from "./errors.ts";
import type { CommitOutcome, EncodedAppend, Store } from "./store.ts";
import { storeRefused } from "./store.ts";

/** Bounds of the append queue and of one flush. */
export interface GroupCommitLimits {
  /** Appends that may wait; beyond it the answer is `overloaded`. At 5,000 appends a second, two seconds of work. */
  readonly maxWaiting: number;
  /** Characters of JSON that may wait, so that few large appends cannot fill the memory that many small ones may. */
  readonly maxWaitingChars: number;
  /** Appends in one flush. More would make the first wait for the last without saving a flush worth having. */
  readonly maxBatch: number;
  /** Characters in one flush, unless a single append is larger. */
  readonly maxBatchChars: number;
  /** How long a flush is tried again while the database is away, in milliseconds, before its callers are told. */
  readonly maxRetryMs: number;
}

export const defaultGroupCommitLimits: GroupCommitLimits = {
  maxWaiting: 10_000,
  maxWaitingChars: 64 * 1024 * 1024,
  maxBatch: 512,
  maxBatchChars: 8 * 1024 * 1024,
  maxRetryMs: 10_000,
};

interface Waiting {
  readonly append: EncodedAppend;
  readonly chars: number;
  resolve(outcome: CommitOutcome): void;
  reject(reason: unknown): void;
}

/** A flush that happened: what was in it and what came of each append. */
export interface Flush {
  readonly batch: readonly EncodedAppend[];
  readonly outcomes: readonly CommitOutcome[];
  readonly lastChange: number;
}

/**
 * Appends that arrive while a flush is on its way travel together in the next: one wait for the disk serves them all.
 *
 * States: idle → flushing (first append) → flushing (more waited) | idle. Closing refuses new appends and lets what waits go.
 * One flush at a time, so that commit order is position order (W9); appends of one lane keep their order per stream.
 */
export class GroupCommit {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #limits: GroupCommitLimits;
  readonly #afterFlush: (flush: Flush) => void;
  #urgent: Waiting[] = [];
  #normal: Waiting[] = [];
  #waitingChars = 0;
  #flushing: Promise<void> | undefined;
  #closed = false;
  flushes = 0;
  flushMs = 0;

  constructor(store: Store, runtime: Runtime, limits: GroupCommitLimits, afterFlush: (flush: Flush) => void) {
    this.#store = store;
    this.#runtime = runtime;
    this.#limits = limits;
    this.#afterFlush = afterFlush;
  }

  get waiting(): number {
    return this.#urgent.length + this.#normal.length;
  }

  /** Queues an append; undefined where the queue is full. Urgent appends are bounded by twice the number. */
  offer(append: EncodedAppend, chars: number, lane: "normal" | "urgent"): Promise<CommitOutcome> | undefined {
    if (this.#closed) return Promise.reject(logClosed());
    const share = lane === "urgent" ? 2 : 1;
    const full = this.waiting >= this.#limits.maxWaiting * share;
    if (full || this.#waitingChars + chars > this.#limits.maxWaitingChars * share) return undefined;
    return new Promise((resolve, reject) => {
      (lane === "urgent" ? this.#urgent : this.#normal).push({ append, chars, resolve, reject });
      this.#waitingChars += chars;
      this.#flushing ??= this.#flushAll();
    });
  }

  /** Refuses what comes from now on and waits for what was queued. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#flushing;
  }

  async #flushAll(): Promise<void> {
    // Whatever else is appended in this turn of the loop joins the first flush instead of waiting for the second.
    await Promise.resolve();
    while (this.waiting > 0) await this.#flush(this.#takeBatch());
    this.#flushing = undefined;
  }

  /** As many appends as fit, urgent ones first; of appends to the same stream only the first, since the next depends on it. */
  #takeBatch(): Waiting[] {
    const batch: Waiting[] = [];
    const names = new Set<string>();
    let chars = 0;
    const takeFrom = (queue: Waiting[]): Waiting[] => {
      let index = 0;
      const left: Waiting[] = [];
      for (; index < queue.length; index++) {
        const waiting = queue[index] as Waiting;
        if (batch.length >= this.#limits.maxBatch) break;
        if (batch.length > 0 && chars + waiting.chars > this.#limits.maxBatchChars) break;
        const touched = namesOf(waiting.append);
        if (touched.some((name) => names.has(name))) {
          left.push(waiting);
        } else {
          batch.push(waiting);
          chars += waiting.chars;
        }
        // Also what is left behind blocks later appends to its streams, or they would overtake it.
        for (const name of touched) names.add(name);
      }
      return index === queue.length ? left : left.concat(queue.slice(index));
    };
    this.#urgent = takeFrom(this.#urgent);
    this.#normal = takeFrom(this.#normal);
    for (const waiting of batch) this.#waitingChars -= waiting.chars;
    return batch;
  }

  async #flush(batch: Waiting[]): Promise<void> {
    const { clock } = this.#runtime;
    const startedMs = clock.monotonicMs();
    const appends = batch.map((waiting) => waiting.append);
    try {
      const result = await this.#commitWithRetry(appends);
      const tookMs = clock.monotonicMs() - startedMs;
      this.flushes += 1;
      this.flushMs = this.flushMs === 0 ? tookMs : this.flushMs * 0.95 + tookMs * 0.05;
      this.#afterFlush({ batch: appends, outcomes: result.outcomes, lastChange: result.lastChange });
      batch.forEach((waiting, index) => {
        waiting.resolve(result.outcomes[index] as CommitOutcome);
      });
    } catch (error) {
      if (batch.length > 1 && error instanceof ViableError && error.code === storeRefused) {
        // One append the database will not take must not take its neighbours down: each is tried alone.
        for (const waiting of batch) await this.#flush([waiting]);
        return;
      }
      for (const waiting of batch) waiting.reject(error);
    }
  }

  /** Sends the same flush again while the database is away: a repeat is recognised by its event ids. */
  async #commitWithRetry(
    appends: readonly EncodedAppend[],
  ): Promise<{ outcomes: readonly CommitOutcome[]; lastChange: number }> {
    const { clock, random } = this.#runtime;
    const startedMs = clock.monotonicMs();
    for (let failures = 1; ; failures++) {
      try {
        return await this.#store.commit(appends, clock.now());
      } catch (error) {
        if (!(error instanceof ViableError) || !error.retryable) throw error;
        const waitMs = backoffMs({ baseMs: 50, maxMs: 1_000, maxAttempts: 1_000 }, failures, random) ?? 0;
        if (this.#closed || clock.monotonicMs() - startedMs + waitMs > this.#limits.maxRetryMs)
          throw logUnavailable(error);
        await new Promise<void>((resolve) => {
          clock.setTimer(resolve, waitMs);
        });
      }
    }
  }
}

function namesOf(append: EncodedAppend): string[] {
  // A record key and a stream may be spelt alike; the prefix keeps them apart.
  const names = append.streams.map((write) => write.stream);
  for (const record of append.records) names.push(`\u0000${record.key}`);
  return names;
}
