import type { Context, Runtime } from "@viable/kernel";
import { backoffMs, invariant, ViableError, waitFor } from "@viable/kernel";
import { logClosed, logUnavailable } from "./errors.ts";
import { FlushCost, paysToOverlap } from "./flush-cost.ts";
import { notify } from "./notify.ts";
import type { CommitOutcome, CommitResult, EncodedAppend, Follow, Store } from "./store.ts";
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
  /** How old an append may become while the database is away, in milliseconds, before its caller is told. */
  readonly maxRetryMs: number;
}

export const defaultGroupCommitLimits: GroupCommitLimits = {
  maxWaiting: 10_000,
  maxWaitingChars: 64 * 1024 * 1024,
  maxBatch: 512,
  maxBatchChars: 8 * 1024 * 1024,
  maxRetryMs: 10_000,
};

const laneNames = ["urgent", "normal"] as const;
type Lane = (typeof laneNames)[number];

interface Waiting {
  readonly append: EncodedAppend;
  readonly chars: number;
  readonly lane: Lane;
  /** When it was offered, in monotonic milliseconds: its caller's patience is counted from here, not from its first flush. */
  readonly offeredMs: number;
  /** Whether a try of it ended so that it may have happened. */
  inDoubt: boolean;
  /** Whether it was in a flush that the database refused: it is tried alone, before what waits in its lane. */
  isApart: boolean;
  resolve(outcome: CommitOutcome): void;
  reject(reason: unknown): void;
}

/** A flush that happened: what was in it and what came of each append. */
export interface Flush {
  readonly batch: readonly EncodedAppend[];
  readonly outcomes: readonly CommitOutcome[];
  /** Number of the last record change in the log after it, where it changed any. */
  readonly lastChange: number | undefined;
  /** How much of it callers sent and followers added, in characters of JSON and of rows. */
  readonly chars: number;
}

/** An append that was decided, and whoever is to be told. */
interface Answer {
  readonly waiting: Waiting;
  readonly outcome: CommitOutcome;
}

/** What came of a flush; nothing where nobody waited for it in the end. */
interface Flushed {
  readonly flush: Flush | undefined;
  readonly answers: readonly Answer[];
}

/** What is told of flushes. */
export interface FlushListener {
  flushed(flush: Flush): void;
  /** Nobody waits any more for some of what was sent: it may have happened unheard, or may still. */
  lost(): void;
}

/**
 * Appends that arrive while a flush is on its way travel together in the next: one wait for the disk serves them all. Where answering them
 * takes the thread about as long as that, they go in two halves, one of which is written while the other is answered (`followUp`).
 *
 * States: idle → flushing (first append) → flushing (more waited) | idle. Closing refuses new appends and lets what waits go.
 * One flush at a time, so that commit order is position order (W9); appends of one lane keep their order per stream. Urgent ones go first; where
 * that kept the first normal one waiting, the next flush begins with the normal lane. So each has every second flush, whatever the other does.
 *
 * While the database is away a flush is sent again and again. Whoever has waited for `maxRetryMs` when a try fails is told so at that
 * moment, in the flush or in the queue: so every caller hears within that time and one try (W10), however many wait before it.
 */
export class GroupCommit {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #limits: GroupCommitLimits;
  readonly #listener: FlushListener;
  readonly #follow: () => Follow | undefined;
  readonly #lanes: Record<Lane, Waiting[]> = { urgent: [], normal: [] };
  /** Whether the next flush begins with the normal lane: urgent ones went before its first in the last. */
  #isNormalNext = false;
  #waitingChars = 0;
  /** What is on its way and not decided, so that its callers can be told when nobody will wait for it any more. */
  #sent: readonly Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #closed = false;
  flushes = 0;
  readonly #cost = new FlushCost();
  /** How long the thread takes of late for an append's answer and all that comes of it at once, in milliseconds. */
  #answerMs = 0;

  /** `follow` answers what is to be asked in the transaction of each flush, where there is anything. */
  constructor(
    store: Store,
    runtime: Runtime,
    limits: GroupCommitLimits,
    listener: FlushListener,
    follow: () => Follow | undefined,
  ) {
    this.#store = store;
    this.#runtime = runtime;
    this.#limits = limits;
    this.#listener = listener;
    this.#follow = follow;
  }

  /** How long a flush takes of late, in milliseconds. */
  get flushMs(): number {
    return this.#cost.averageMs;
  }

  get waiting(): number {
    return this.#lanes.urgent.length + this.#lanes.normal.length;
  }

  /** Queues an append; undefined where the queue is full. Urgent appends are bounded by twice the number. */
  offer(append: EncodedAppend, chars: number, lane: Lane): Promise<CommitOutcome> | undefined {
    if (this.#closed) return Promise.reject(logClosed());
    const share = lane === "urgent" ? 2 : 1;
    const full = this.waiting >= this.#limits.maxWaiting * share;
    if (full || this.#waitingChars + chars > this.#limits.maxWaitingChars * share) return undefined;
    const offeredMs = this.#runtime.clock.monotonicMs();
    return new Promise((resolve, reject) => {
      this.#lanes[lane].push({
        append,
        chars,
        lane,
        offeredMs,
        inDoubt: false,
        isApart: false,
        resolve,
        reject,
      });
      this.#waitingChars += chars;
      this.#flushing ??= this.#flushAll();
    });
  }

  /**
   * Refuses what comes from now on and waits for what was queued, no longer than the context lasts: whoever has no answer by then,
   * because a commit hangs, is told that nobody knows.
   */
  async close(ctx: Context): Promise<void> {
    this.#closed = true;
    if (this.#flushing === undefined) return;
    try {
      await waitFor(ctx, this.#flushing);
    } catch (error) {
      this.#giveUp(this.#sent, Number.POSITIVE_INFINITY, error);
    }
  }

  async #flushAll(): Promise<void> {
    // Whatever else is appended in this turn of the loop joins the first flush instead of waiting for the second.
    await Promise.resolve();
    let sent = this.#sendWaiting();
    while (sent !== undefined) {
      const ahead = await this.#followUp(await sent);
      sent = ahead.sent ?? this.#sendWaiting();
    }
    this.#flushing = undefined;
  }

  /** Begins the next flush; undefined where nothing waits. */
  #sendWaiting(): Promise<Flushed> | undefined {
    return this.waiting === 0 ? undefined : this.#flush(this.#takeBatch());
  }

  /**
   * Tells everybody what came of a flush, and answers with the next one where that was sent meanwhile.
   *
   * Whoever is answered has often sent the next by the end of this turn: waited for, it travels in the next flush instead of the one
   * after. But where the thread has much to do with the answers, database and thread would wait for each other in turns. Then the next
   * flush is sent before they are given; or, where nothing waits yet, as soon as half of them are. How large the two halves are is then up to
   * who appends when: to make them even costs a turn of the loop in which nothing is written, and runs of reactors lost a tenth by it.
   */
  async #followUp({ flush, answers }: Flushed): Promise<{ readonly sent: Promise<Flushed> | undefined }> {
    const { clock } = this.#runtime;
    const beganMs = clock.monotonicMs();
    const all = answers.length + this.waiting;
    const overlaps = paysToOverlap(this.#answerMs * all, all, this.#cost.time);
    let sent = overlaps ? this.#sendWaiting() : undefined;
    // What goes wrong while the news is spread is no concern of those whose append happened.
    if (flush !== undefined) notify(this.#listener.flushed, flush);
    const first = overlaps && sent === undefined ? Math.ceil(answers.length / 2) : 0;
    if (first > 0) {
      await this.#answer(answers.slice(0, first));
      sent = this.#sendWaiting();
    }
    await this.#answer(answers.slice(first));
    if (answers.length > 0) this.#answerMs = smooth(this.#answerMs, (clock.monotonicMs() - beganMs) / answers.length);
    return { sent };
  }

  /** Answers, and lets whoever was answered go on until the end of this turn of the loop. */
  async #answer(answers: readonly Answer[]): Promise<void> {
    if (answers.length === 0) return;
    for (const { waiting, outcome } of answers) waiting.resolve(outcome);
    await this.#runtime.clock.nextTurn();
  }

  /** As many appends as fit; of appends to the same stream only the first, since the next depends on it. */
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
        // What is tried alone is a flush of its own.
        if (batch.length > 0 && (waiting.isApart || batch[0]?.isApart)) break;
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
    const lanes = this.#lanes;
    const [oldest] = lanes.normal;
    const isNormalFirst = this.#isNormalNext;
    const [first, second]: [Lane, Lane] = isNormalFirst ? ["normal", "urgent"] : ["urgent", "normal"];
    // What is tried alone was sent before: nothing of the other lane overtakes it on its streams.
    for (const waiting of lanes[second]) {
      if (!waiting.isApart) break;
      for (const name of namesOf(waiting.append)) names.add(name);
    }
    lanes[first] = takeFrom(lanes[first]);
    // Where none of one lane may go yet, the first of the other may.
    if (batch.length === 0) names.clear();
    lanes[second] = takeFrom(lanes[second]);
    this.#isNormalNext = !isNormalFirst && oldest !== undefined && lanes.normal[0] === oldest;
    for (const waiting of batch) this.#waitingChars -= waiting.chars;
    return batch;
  }

  /** Sends a batch until the database answers, or nobody waits for it any more: a repeat is recognised by its event ids. */
  async #flush(batch: readonly Waiting[]): Promise<Flushed> {
    const { clock } = this.#runtime;
    const startedMs = clock.monotonicMs();
    let sent = batch;
    for (let failures = 1; sent.length > 0; failures++) {
      this.#sent = sent;
      const appends = sent.map((waiting) => waiting.append);
      let flushed: Flushed;
      try {
        const result = await this.#store.commit(appends, clock.now(), this.#follow());
        flushed = { flush: toFlush(sent, appends, result), answers: toAnswers(sent, result) };
      } catch (error) {
        sent = await this.#afterFailure(sent, failures, error);
        continue;
      }
      // Decided: whoever gives up from here on has nothing to say of it.
      this.#sent = [];
      this.flushes += 1;
      this.#cost.note(appends.length, clock.monotonicMs() - startedMs);
      return flushed;
    }
    return { flush: undefined, answers: [] };
  }

  /** Waits until it is time for another try, and answers what of the batch is to be sent again. */
  async #afterFailure(sent: readonly Waiting[], failures: number, error: unknown): Promise<readonly Waiting[]> {
    const { clock, random } = this.#runtime;
    if (!(error instanceof ViableError && error.retryable)) {
      // One append the database will not take must not take its neighbours down.
      if (sent.length > 1 && error instanceof ViableError && error.code === storeRefused) this.#putBackApart(sent);
      else this.#refuse(sent, error);
      return [];
    }
    const waitMs = backoffMs({ baseMs: 50, maxMs: 1_000, maxAttempts: 1_000 }, failures, random) ?? 0;
    const left = this.#giveUp(sent, clock.monotonicMs() + waitMs, error);
    if (left.length > 0) await new Promise<void>((resolve) => void clock.setTimer(resolve, waitMs));
    return left;
  }

  /** Each to the head of its lane, to be tried alone. */
  #putBackApart(sent: readonly Waiting[]): void {
    for (const waiting of sent) {
      waiting.isApart = true;
      this.#waitingChars += waiting.chars;
    }
    for (const lane of laneNames) this.#lanes[lane] = sent.filter((one) => one.lane === lane).concat(this.#lanes[lane]);
  }

  /** Tells everybody that it did not happen, as far as the last try goes: of those before it that says nothing. */
  #refuse(sent: readonly Waiting[], error: unknown): void {
    for (const waiting of sent) waiting.reject(waiting.inDoubt ? logUnavailable(error) : error);
    if (sent.some(({ inDoubt }) => inDoubt)) this.#listener.lost();
  }

  /** Tells everybody, also in the queue, who will have waited too long at `nextTryMs`; answers what of the batch is left. */
  #giveUp(sent: readonly Waiting[], nextTryMs: number, cause: unknown): readonly Waiting[] {
    const oldestMs = this.#closed ? Number.POSITIVE_INFINITY : nextTryMs - this.#limits.maxRetryMs;
    const error = logUnavailable(cause);
    let isLost = false;
    const stays = (waiting: Waiting): boolean => {
      if (waiting.offeredMs >= oldestMs) return true;
      isLost ||= waiting.inDoubt;
      waiting.reject(error);
      return false;
    };
    const staysQueued = (waiting: Waiting): boolean => {
      const stay = stays(waiting);
      if (!stay) this.#waitingChars -= waiting.chars;
      return stay;
    };
    for (const waiting of sent) waiting.inDoubt = true;
    for (const lane of laneNames) this.#lanes[lane] = this.#lanes[lane].filter(staysQueued);
    const left = sent.filter(stays);
    if (isLost) this.#listener.lost();
    return left;
  }
}

/** The running average of what is measured at each flush: the last twenty or so count. */
const smooth = (before: number, measured: number): number =>
  before === 0 ? measured : before * 0.95 + measured * 0.05;

function toAnswers(sent: readonly Waiting[], { outcomes }: CommitResult): Answer[] {
  return sent.map((waiting, index) => {
    const outcome = outcomes[index];
    invariant(outcome !== undefined, "W1", `of ${sent.length} appends the database decided ${outcomes.length}`);
    return { waiting, outcome };
  });
}

/** All that was written, in the order in which it was. */
function toFlush(
  sent: readonly Waiting[],
  appends: readonly EncodedAppend[],
  { outcomes, followed = [], lastChange }: CommitResult,
): Flush {
  const chars = sent.reduce((sum, waiting) => sum + waiting.chars, 0);
  if (followed.length === 0) return { batch: appends, outcomes, lastChange, chars };
  const followedChars = followed.reduce((sum, { append }) => sum + charsOf(append), 0);
  return {
    batch: [...appends, ...followed.map(({ append }) => append)],
    outcomes: [...outcomes, ...followed.map(({ outcome }) => outcome)],
    lastChange,
    chars: chars + followedChars,
  };
}

/** How much an append is, counted as that of a caller is. */
function charsOf({ streams, records, with: rows = [] }: EncodedAppend): number {
  let chars = 0;
  for (const { events } of streams) for (const { data } of events) chars += data.length;
  for (const { value } of records) chars += value?.length ?? 0;
  for (const row of rows) {
    if (!("sql" in row)) continue;
    chars += row.sql.length;
    for (const param of row.params) chars += param?.length ?? 0;
  }
  return chars;
}

function namesOf(append: EncodedAppend): string[] {
  // A record key and a stream may be spelt alike; the prefix keeps them apart.
  const names = append.streams.map((write) => write.stream);
  for (const record of append.records) names.push(`\u0000${record.key}`);
  return names;
}
