import type { Clock, Context } from "@viable/kernel";
import { throwIfDone, waitFor } from "@viable/kernel";
import type { ReadFailure } from "./follower.ts";
import { Follower } from "./follower.ts";
import type { Flush } from "./group-commit.ts";
import { notify } from "./notify.ts";
import type { RecordChange, RecordPage, StoredRecord } from "./records.ts";
import type { EncodedRecordChange, Store } from "./store.ts";

/** How many changes are read at once. */
const pageChanges = 500;
/** How many records are listed at once when a watch begins. */
const pageRecords = 500;

interface Watcher {
  readonly prefix: string;
  readonly callback: (change: RecordChange) => void;
  /** Changes that came while the first listing was under way, another list where it has to begin anew; undefined once it is done. */
  early: RecordChange[] | undefined;
  /** The versions that it was listed, by key, for as long as something older may still arrive. */
  listed: Map<string, number> | undefined;
}

/**
 * The process's one reader of record changes, fanned out to watchers by prefix: what `Tail` is for events. Changes are
 * numbered without gaps, so this process's own arrive with their flush and others' are read, of the keys that somebody watches.
 *
 * Where the log has gone back (fewer changes than were seen), watchers are shown once more what there is. Not promised: that they are told
 * of records that are lost with it.
 */
export class RecordWatch {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #follower: Follower;
  #change = 0;
  /** The last change of this process's flushes: the next are beyond it, or the log has gone back. */
  #ownChange = 0;
  /** Whether what was shown may not be there any more. */
  #showsAgain = false;
  readonly #watchers = new Set<Watcher>();
  /** The page of changes that is being read, or was read last. */
  #page: Promise<boolean> | undefined;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#follower = new Follower(clock, !store.exclusive, () => this.#readNew());
  }

  async start(ctx: Context): Promise<void> {
    this.#change = (await waitFor(ctx, this.#store.head())).change;
    this.#follower.start();
  }

  async stop(): Promise<void> {
    this.#watchers.clear();
    await this.#follower.stop();
  }

  get failure(): ReadFailure | undefined {
    return this.#follower.failure;
  }

  /** Resolves, once what there is has been shown, with how to stop. The signal stops it too, whenever it comes. */
  async watch(ctx: Context, prefix: string, callback: (change: RecordChange) => void): Promise<() => void> {
    throwIfDone(ctx);
    const watcher: Watcher = { prefix, callback, early: [], listed: undefined };
    const stop = () => {
      this.#watchers.delete(watcher);
      ctx.signal.removeEventListener("abort", stop);
    };
    this.#watchers.add(watcher);
    ctx.signal.addEventListener("abort", stop, { once: true });
    try {
      await this.#begin(ctx, watcher);
    } catch (error) {
      // Nobody will ever take what would go on being kept for it.
      stop();
      throw error;
    }
    return stop;
  }

  /** Shows a watcher what there is, then what changed while it was shown. */
  async #begin(ctx: Context, watcher: Watcher): Promise<void> {
    // A page that is on its way was asked for without its prefix: what is listed must not be older than that page. The next is asked for
    // with it, so one is all that it waits for, and nobody waits for it.
    await waitFor(ctx, Promise.allSettled([this.#page]));
    const versions = new Map<string, number>();
    let early: RecordChange[];
    do {
      early = [];
      watcher.early = early;
      versions.clear();
      await this.#list(
        watcher.prefix,
        (page) => waitFor(ctx, page),
        (record) => {
          versions.set(record.key, record.version);
          watcher.callback(record);
        },
      );
    } while (watcher.early !== early);
    watcher.listed = versions;
    for (const change of early) {
      if (isNew(watcher, change)) watcher.callback(change);
    }
    watcher.early = undefined;
    // A page or a flush that is older than the listing may arrive after it; what is read from here on is not.
    this.wake();
  }

  async #list(
    prefix: string,
    wait: (page: Promise<RecordPage>) => Promise<RecordPage>,
    show: (record: StoredRecord) => void,
  ): Promise<void> {
    for (let after = ""; ; ) {
      const { records, isEnd } = await wait(this.#store.listRecords(prefix, after, pageRecords, this.#clock.now()));
      records.forEach(show);
      const last = records.at(-1);
      if (last === undefined || isEnd) return;
      after = last.key;
    }
  }

  /** Takes in what a flush of this process changed. */
  take(flush: Flush): void {
    const { lastChange } = flush;
    const changes = changesOf(flush);
    if (changes.length === 0 || lastChange === undefined) return;
    const isGivenAgain = lastChange - changes.length < this.#ownChange;
    this.#ownChange = lastChange;
    if (isGivenAgain) this.showAgain();
    if (lastChange <= this.#change) return;
    if (this.#change + changes.length !== lastChange || this.#follower.reading) {
      this.wake();
      return;
    }
    this.#change = lastChange;
    for (const change of changes) this.#dispatch(change);
  }

  wake(): void {
    this.#follower.wake();
  }

  /** Begins again with what there is, for every watcher. */
  showAgain(): void {
    this.#showsAgain = true;
    this.wake();
  }

  async #readNew(): Promise<void> {
    if (this.#showsAgain) await this.#showAll();
    do this.#page = this.#readPage();
    while (!(await this.#page));
  }

  /** Answers whether it was the last page. */
  async #readPage(): Promise<boolean> {
    const watchers = [...this.#watchers];
    const begun = watchers.filter(({ early }) => early === undefined);
    const prefixes = new Set(watchers.map(({ prefix }) => prefix));
    const page = await this.#store.readChanges(this.#change, pageChanges, [...prefixes]);
    for (const change of page.changes) this.#dispatch(change);
    if (page.lastChange < this.#change) {
      this.showAgain();
      return true;
    }
    this.#change = page.isEnd ? page.lastChange : (page.changes.at(-1)?.change ?? this.#change);
    if (page.isEnd) for (const watcher of begun) watcher.listed = undefined;
    return page.isEnd;
  }

  async #showAll(): Promise<void> {
    this.#showsAgain = false;
    try {
      // What changes from here on is read after this, and may show twice.
      const { change } = await this.#store.head();
      for (const watcher of [...this.#watchers]) {
        // One that is only beginning may have listed what is not there any more, or before what is passed over now.
        if (watcher.early !== undefined) {
          watcher.early = [];
          continue;
        }
        watcher.listed = undefined;
        await this.#list(
          watcher.prefix,
          (page) => page,
          (record) => notify(watcher.callback, record),
        );
      }
      this.#change = change;
    } catch (error) {
      this.#showsAgain = true;
      throw error;
    }
  }

  #dispatch(encoded: Omit<EncodedRecordChange, "change">): void {
    const watchers = [...this.#watchers].filter(({ prefix }) => encoded.key.startsWith(prefix));
    if (watchers.length === 0) return;
    const change = decodeChange(encoded);
    for (const watcher of watchers) {
      if (watcher.early !== undefined) watcher.early.push(change);
      else if (isNew(watcher, change)) notify(watcher.callback, change);
    }
  }
}

const isNew = ({ listed }: Watcher, { key, version }: RecordChange): boolean => version > (listed?.get(key) ?? 0);

function changesOf(flush: Flush): Omit<EncodedRecordChange, "change">[] {
  return flush.batch.flatMap(({ records }, index) => {
    const outcome = flush.outcomes[index];
    if (outcome?.kind !== "appended" || outcome.repeated) return [];
    return records.map(({ key, value, expiresAt }, at) => ({
      key,
      value,
      version: outcome.recordVersions[at] as number,
      expiresAt,
    }));
  });
}

const decodeChange = ({ key, value, version, expiresAt }: Omit<EncodedRecordChange, "change">): RecordChange => ({
  key,
  value: value === null ? null : JSON.parse(value),
  version,
  expiresAt,
});
