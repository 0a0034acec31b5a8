import type { Context, Part, Timer } from "@viable/kernel";
import { ViableError, waitFor } from "@viable/kernel";
import type { AppendOutcome, Log } from "@viable/log";
import type { EntryUse, Use } from "./entry-use.ts";
import { readUse, writeUse } from "./entry-use.ts";

/** How long a read may be counted in memory only, in milliseconds: what a crash may cost, against a write for each entry that is read. */
const writeEveryMs = 5_000;
/** How many entries may have reads that are not written. At some 500 bytes each, 5 MB. */
const maxTallies = 10_000;
/** From so many on the next batch does not wait for its time: half, so that the other half has room while it is written. */
const earlyTallies = maxTallies / 2;
/** How many uses are written at once. They share a flush, and are few beside the 10,000 appends that may wait for one. */
const writesAtOnce = 100;
/** How often a write is tried in one batch while other processes are faster. They write a use once in a batch too. */
const maxTries = 5;

export interface AccessCounterStats {
  /** Entries with reads that are not written yet. */
  readonly waitingEntries: number;
  /** Batches that began before their time because so many entries were waiting. */
  readonly earlyBatches: number;
  /** Reads not counted, because there was no room for another entry or the counter had been stopped. */
  readonly uncounted: number;
  /** Reads given up, because it cannot be known whether they were written, and none may count twice. */
  readonly lost: number;
}

/** The reads of one life of an entry that were counted here and are not known to be written. */
interface Tally {
  /** The use as it was last seen. */
  seen: EntryUse;
  /** Reads that are in no write. */
  reads: number;
  lastAccessAt: number;
  write: UseWrite | undefined;
}

/** A write of a use that has been sent, or will be again. */
interface UseWrite {
  /** Of the append: sent again, it is recognised. */
  readonly id: string;
  /** What the reads are added to. */
  readonly against: EntryUse;
  readonly reads: number;
  readonly use: Use;
  /** Whether it may have happened already. */
  inDoubt: boolean;
}

/**
 * Counts how often memory entries are read, in this process, and writes that down in batches: every 5 s where there is something, early
 * where many entries wait, and at `stop`. One per process; counts of several processes add up, because each is added to the use at the
 * version it had.
 *
 * Promised: no read counts twice, whatever becomes of a write; a read neither waits nor fails because of being counted; what is read of
 * an entry never counts for a later one of the same key. Not promised: that each read counts. A crash costs those of the last batch
 * time, an answer that was lost may cost a batch's where another process wrote too, and bounds may be met (`stats`).
 *
 * One life's tally: none → counting → writing (its reads are in `write`, new ones beside it) → none, or counting where there were new
 * ones. A write that failed stays: the next batch sends the same again. Where the life is over, the tally is dropped.
 */
export class AccessCounter implements Part {
  readonly #log: Log;
  /** By life, those counted first coming first. */
  readonly #tallies = new Map<string, Tally>();
  #ctx: Context | undefined;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #stopped = false;
  #earlyBatches = 0;
  #uncounted = 0;
  #lost = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  async start(ctx: Context): Promise<void> {
    this.#ctx = ctx;
    if (this.#tallies.size > 0) this.#writeLater();
  }

  /**
   * Writes what is counted, as long as the context lasts; rejects with `memory.accesses_not_written` where some of it was not taken. What
   * is read after this does not count.
   */
  async stop(ctx: Context): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timer?.cancel();
    await waitFor(ctx, this.#writing ?? Promise.resolve());
    // Beside a write that had failed there may be reads that came after it: they are the second batch's.
    if (await this.#writeBatch(ctx)) await this.#writeBatch(ctx);
    if (this.#tallies.size > 0) throw notWritten(this.#tallies.size);
  }

  /** Counts a read of the entry whose use was `seen` with it, at a wall time in milliseconds. */
  count(seen: EntryUse, atMs: number): void {
    const tally = this.#tallies.get(seen.life);
    if (tally !== undefined) {
      tally.reads += 1;
      tally.lastAccessAt = Math.max(tally.lastAccessAt, atMs);
      if (seen.version > tally.seen.version) tally.seen = seen;
      return;
    }
    if (this.#stopped || this.#tallies.size >= maxTallies) {
      this.#uncounted += 1;
      return;
    }
    this.#tallies.set(seen.life, { seen, reads: 1, lastAccessAt: atMs, write: undefined });
    if (this.#tallies.size === earlyTallies) this.#writeEarly();
    else this.#writeLater();
  }

  /** A use as it was read, with the reads that were counted here and are not in it. */
  withUnwritten(seen: EntryUse): Use {
    const tally = this.#tallies.get(seen.life);
    if (tally === undefined) return seen;
    // Only at the version that it is to replace is a write certain not to be in what was read.
    const { write } = tally;
    const inWrite = write?.against.version === seen.version ? write.reads : 0;
    return addReads(seen, inWrite + tally.reads, tally.lastAccessAt);
  }

  stats(): AccessCounterStats {
    return {
      waitingEntries: this.#tallies.size,
      earlyBatches: this.#earlyBatches,
      uncounted: this.#uncounted,
      lost: this.#lost,
    };
  }

  #writeEarly(): void {
    if (this.#ctx === undefined || this.#writing !== undefined) return;
    this.#earlyBatches += 1;
    this.#timer?.cancel();
    this.#write(this.#ctx);
  }

  #writeLater(): void {
    const ctx = this.#ctx;
    if (ctx === undefined || this.#stopped || this.#timer !== undefined || this.#writing !== undefined) return;
    this.#timer = ctx.runtime.clock.setTimer(() => this.#write(ctx), writeEveryMs, { background: true });
  }

  #write(ctx: Context): void {
    this.#timer = undefined;
    this.#writing = this.#writeBatch(ctx).then(() => {
      this.#writing = undefined;
      if (this.#tallies.size > 0) this.#writeLater();
    });
  }

  /** Writes what there is now, longest counted first; false where the log did not take some of it, and the rest was not tried. */
  async #writeBatch(ctx: Context): Promise<boolean> {
    const tallies = [...this.#tallies.values()];
    for (let from = 0; from < tallies.length; from += writesAtOnce) {
      const part = tallies.slice(from, from + writesAtOnce);
      const taken = await Promise.all(part.map((tally) => this.#writeTally(ctx, tally).catch(() => false)));
      if (taken.includes(false)) return false;
    }
    return true;
  }

  /** False where the log does not take it at present. */
  async #writeTally(ctx: Context, tally: Tally): Promise<boolean> {
    for (let tries = 1; tries <= maxTries && (tally.reads > 0 || tally.write !== undefined); tries++) {
      tally.write ??= this.#takeReads(ctx, tally);
      const { write } = tally;
      const outcome = await this.#append(ctx, write);
      if (outcome.ok) {
        this.#settle(tally, { ...write.against, ...write.use, version: outcome.recordVersions[0] ?? 0 });
        return true;
      }
      if (outcome.reason !== "record_conflict") return false;
      const record = await this.#log.getRecord(ctx, write.against.key);
      const now = record && readUse(record);
      if (now?.life !== write.against.life) {
        this.#tallies.delete(write.against.life);
        return true;
      }
      // Where another has made the version that ours would have, ours never happened; else nobody knows what there was in between.
      if (!write.inDoubt || outcome.actual === write.against.version + 1) tally.reads += write.reads;
      else this.#lost += write.reads;
      this.#settle(tally, now);
    }
    return true;
  }

  #takeReads(ctx: Context, tally: Tally): UseWrite {
    const { seen, reads, lastAccessAt } = tally;
    tally.reads = 0;
    return {
      id: ctx.runtime.ids.next("apd"),
      against: seen,
      reads,
      use: addReads(seen, reads, lastAccessAt),
      inDoubt: false,
    };
  }

  async #append(ctx: Context, write: UseWrite): Promise<AppendOutcome> {
    const record = writeUse({ ...write.against, ...write.use }, write.against.version);
    try {
      return await this.#log.append(ctx, { id: write.id, records: [record] });
    } catch (error) {
      write.inDoubt = true;
      throw error;
    }
  }

  /** Ends a tally's write, of which came what is there now; and the tally, where nothing is left to be written. */
  #settle(tally: Tally, now: EntryUse): void {
    tally.write = undefined;
    if (now.version > tally.seen.version) tally.seen = now;
    if (tally.reads === 0) this.#tallies.delete(now.life);
  }
}

function addReads({ accessCount, lastAccessAt }: Use, reads: number, atMs: number): Use {
  return { accessCount: accessCount + reads, lastAccessAt: Math.max(lastAccessAt ?? 0, atMs) };
}

const notWritten = (entries: number): ViableError =>
  new ViableError("memory.accesses_not_written", `The last reads of ${entries} memory entries could not be written.`, {
    next: "Nothing needs to be done: the entries are whole, and only their access counts are lower than they should be.",
  });
