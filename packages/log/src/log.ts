import type { Context, Part } from "@viable/kernel";
import type { Decoding } from "./event-types.ts";
import type { EventFilter, Position, StoredEvent, StreamAppend } from "./events.ts";
import type { ReadFailure } from "./follower.ts";
import type { LogPage } from "./log-page.ts";
import type { RecordChange, RecordPage, RecordWrite, StoredRecord } from "./records.ts";
import type { Row, RowQuery, RowRefusal, RowWrite } from "./row-write.ts";
import type { CommitReader, Durability } from "./store.ts";
import type { StreamFrom } from "./stream-pages.ts";
import type { Subscription, SubscriptionOptions } from "./subscription.ts";

/** What one caller wants to happen at once, or not at all. */
export interface AppendRequest {
  /**
   * Give an append without events one to make it repeatable: a second append of the same id answers as the first did, as long as it
   * was the last to write one of its records. (With events, it is known by the first one's id.)
   */
  readonly id?: string;
  readonly streams?: readonly StreamAppend[];
  readonly records?: readonly RecordWrite[];
  /** Rows of somebody else's tables that are written in the same flush, or nothing of it all is. At most 1,000. */
  readonly with?: readonly RowWrite[];
  /** `urgent` goes into the next flush whatever waits before it, but for what writes the same streams or records. For pain signals and outcomes of races, not for hurry. */
  readonly lane?: "normal" | "urgent";
}

/** What came of an append. Conflict and overload are answers to decide on, not errors. */
export type AppendOutcome =
  | {
      readonly ok: true;
      /** Position of the last event written; undefined where only records were. */
      readonly position: Position | undefined;
      /** Version of each stream after the append, in the order given. */
      readonly versions: readonly number[];
      /** New version of each record, in the order given. Where `repeated`, 0 for those that others have written since. */
      readonly recordVersions: readonly number[];
      /** Wall time that its events carry, in milliseconds; undefined where it has none, or they are of an earlier append. */
      readonly time: number | undefined;
      /** True where an earlier append with the same ids, or an earlier try of this one, had already done it. */
      readonly repeated: boolean;
    }
  | {
      readonly ok: false;
      readonly reason: "conflict";
      readonly stream: string;
      readonly expected: number | "any";
      readonly actual: number;
    }
  | {
      readonly ok: false;
      readonly reason: "record_conflict";
      readonly key: string;
      readonly expected: number | "any";
      readonly actual: number;
    }
  | ({ readonly ok: false; readonly reason: "row_refused" } & RowRefusal)
  | { readonly ok: false; readonly reason: "overloaded"; readonly waiting: number; readonly retryAfterMs: number };

export interface ReadStreamOptions {
  readonly fromVersion?: number;
  readonly limit?: number;
  readonly direction?: "forward" | "backward";
  /** Default `strict`. */
  readonly decoding?: Decoding;
}

export interface ReadStreamsOptions {
  /** Events of each stream; as many as all of them may have together unless told. */
  readonly limit?: number;
  /** Default `strict`: then what cannot be decoded of one stream is the answer for all. */
  readonly decoding?: Decoding;
}

export interface ReadAllOptions {
  /** Forward: events after it. Backward: events before it; undefined begins at the end. */
  readonly from?: Position;
  readonly limit?: number;
  readonly direction?: "forward" | "backward";
  readonly filter?: EventFilter;
  /** Default `strict`. */
  readonly decoding?: Decoding;
}

/**
 * The one log: events that are kept for ever in one order, and records that change.
 *
 * Promised: an append that was answered `ok` is durable as `durability` says (W1); a stream's versions have no gaps; a reader
 * never sees position n+1 before n is settled (W9); an append happens whole or not at all; expected versions hold against any
 * number of processes; every queue is bounded and says so when it is full (W10).
 *
 * No call outlasts its context: it rejects as the context ended (`context.cancelled`, `context.deadline_exceeded`). `stop` waits for
 * what is under way within its context, 20 s at most; whoever has no answer by then gets `log.unavailable`. Then it closes the
 * store, whatever came of that, and rejects (`log.not_closed`) where this takes longer than 30 s or fails.
 *
 * Not promised: an order between the clocks of different writers; that a subscription sees an event before the appender has
 * its answer, or after; that a rejected append did not happen (repeat it with the same ids to find out).
 */
export interface Log extends Part {
  readonly durability: Durability;
  /**
   * Rejects with `log.invalid_event`, `log.closed` or the store's refusal: it did not happen. With `log.unavailable`, or because the
   * context ended after it was queued: nobody knows, and it may still happen.
   */
  append(ctx: Context, request: AppendRequest): Promise<AppendOutcome>;
  /**
   * Reading rejects with `log.undecodable_event` where an event cannot be brought to the shape of today, unless told otherwise. Of a log
   * that was given no types, events have the shape they were written in.
   *
   * A stream's events, at most `limit` (default 1,000), oldest first unless told; fewer only where there are no more. As many as were asked
   * for are in memory at once, however large: it is for a few, or for what is known to be small. Whoever reads on takes `readStreamPage`.
   */
  readStream(ctx: Context, stream: string, options?: ReadStreamOptions): Promise<StoredEvent[]>;
  /**
   * The same as a page that fits memory whatever is in it: 8 MiB of data at most, and the one event that goes beyond them. So it may be short,
   * and yet not the end, as it says.
   */
  readStreamPage(ctx: Context, stream: string, options?: ReadStreamOptions): Promise<LogPage>;
  /**
   * Events of up to 1,000 streams, oldest first, in one question: for whoever reads many that are short. A page for each, in the order
   * asked; all together at most 10,000 events, and 8 MiB of data or the one event that goes beyond it. Whoever wants what a page leaves out
   * goes on with `readStreamPage`.
   */
  readStreams(ctx: Context, from: readonly StreamFrom[], options?: ReadStreamsOptions): Promise<LogPage[]>;
  /** Events of all streams in position order, for a few as `readStream` is. Whoever reads on takes `readAllPage`. */
  readAll(ctx: Context, options?: ReadAllOptions): Promise<StoredEvent[]>;
  /** The same as a page that fits memory: see `readStreamPage`. */
  readAllPage(ctx: Context, options?: ReadAllOptions): Promise<LogPage>;
  /** The position of the last event. */
  head(ctx: Context): Promise<Position>;
  /** Events from a position on, until the subscription is stopped or the context's signal aborts: first what is stored, then what comes. */
  subscribe(ctx: Context, options: SubscriptionOptions): Subscription;
  /**
   * Calls back for every new event of one stream that reaches this process, as it is stored. Cheap: meant for whoever waits for news, and
   * reads the rest.
   */
  onStream(stream: string, callback: (event: StoredEvent) => void): () => void;
  /** Tells the log that others may have written: it looks at once instead of at the next poll. Losing it costs time only (W3). */
  wake(): void;
  getRecord(ctx: Context, key: string): Promise<StoredRecord | undefined>;
  /**
   * The records under a prefix in the order of their keys (UTF-8 bytes), after a key, at most `limit` (default 1,000, at most 10,000). A page
   * that fits memory, 8 MiB of values and the one that goes beyond them: it may be short, and yet not the end, as it says.
   */
  listRecords(ctx: Context, prefix: string, options?: { after?: string; limit?: number }): Promise<RecordPage>;
  /**
   * Calls back with the records under a prefix as they are, then with every change, until it is stopped or the context's signal aborts;
   * a deadline bounds only the beginning. Order per key; a key changed twice quickly may show once.
   */
  watchRecords(ctx: Context, prefix: string, callback: (change: RecordChange) => void): Promise<() => void>;
  /**
   * Reads rows of somebody else's tables in the log's database, such as those that were written `with` an append. Refused
   * (`log.store_refused`) by a store without tables. How many rows there may be is for the query to bound.
   */
  query(ctx: Context, query: RowQuery): Promise<readonly Row[]>;
  /**
   * @internal Asks in the transaction of each flush that appends something what else is to be written in it, until it is stopped. For
   * projections that are never behind; each flush then takes several round trips. `follower` must not wait for anything but the reader.
   */
  follow(follower: Follower): () => void;
  /** Measured, for health: what waits, how long a flush takes, how far the slowest subscription is behind, and the log's own reading. */
  stats(): LogStats;
  sizeBytes(): Promise<number | undefined>;
  /** Forgets records deleted or expired more than `olderThanMs` ago, at most `limit`; answers how many. A watcher further behind than that misses their end. */
  purgeRecords(ctx: Context, olderThanMs: number, limit: number): Promise<number>;
}

/** @internal What it answers happens or does not, without harm to what it follows. */
export type Follower = (reader: CommitReader) => Promise<{ ctx: Context; request: AppendRequest } | undefined>;

export interface LogStats {
  readonly waitingAppends: number;
  readonly flushes: number;
  readonly appendedEvents: number;
  /** Exponentially weighted mean over about the last 20 flushes, in milliseconds; 0 before the first. */
  readonly flushMs: number;
  readonly slowestSubscription: { readonly name: string; readonly lagEvents: number } | undefined;
  /**
   * How many events are known to be in the log (of this process, or because `head` was asked) that this process has not read yet. Its
   * subscriptions are that much further behind than their own lag says.
   */
  readonly unreadEvents: number;
  /** Why this process cannot read what is new at present, events or records; undefined where it can. */
  readonly readFailure: ReadFailure | undefined;
}
