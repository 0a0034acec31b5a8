import type { EventFilter } from "./events.ts";
import type { ExplainRequest, Explanation } from "./explain.ts";
import type { LogPage } from "./log-page.ts";
import type { News } from "./news.ts";
import type { RecordPage, StoredRecord } from "./records.ts";
import type { Row, RowQuery, RowRefusal, RowWrite } from "./row-write.ts";
import type { SnapshotPage } from "./snapshot.ts";
import type { StreamFrom, StreamPageLimits } from "./stream-pages.ts";

/**
 * What survives: `nothing` (memory), `process-crash` (a killed process, not a power cut: PGlite), `power-loss` (a database
 * server that flushes to disk before it answers).
 */
export type Durability = "nothing" | "process-crash" | "power-loss";

/** An event as stores see it: text and numbers, so that an adapter cannot get a type wrong. */
export interface EncodedEvent {
  readonly id: string;
  readonly type: string;
  /** JSON text. Kept byte for byte; a store must not parse and rewrite it. */
  readonly data: string;
  readonly tenant: string;
  readonly session: string | null;
  readonly correlation: string | null;
  /** JSON text of the rest of the metadata. */
  readonly metadata: string;
  readonly time: number;
}

export interface EncodedStreamAppend {
  readonly stream: string;
  /** -1 stands for any. */
  readonly expected: number;
  readonly events: readonly EncodedEvent[];
}

export interface EncodedRecordWrite {
  readonly key: string;
  /** -1 stands for any. */
  readonly expected: number;
  /** JSON text; null deletes. */
  readonly value: string | null;
  readonly expiresAt: number | null;
}

/** One caller's append: everything in it happens, or nothing does. */
export interface EncodedAppend {
  /** Its first event's id; an own one where it has no event. The records it writes keep it. */
  readonly id?: string;
  readonly streams: readonly EncodedStreamAppend[];
  readonly records: readonly EncodedRecordWrite[];
  /** Written after all of the above, in their order, where the append happens now and not where it is a repeat. */
  readonly with?: readonly RowWrite[];
}

export type CommitOutcome =
  | {
      readonly kind: "appended";
      /** Ordinal of the first event; the others follow in the order given, streams one after the other. */
      readonly firstOrdinal: number;
      /** Version of each stream's first event, in the order given. */
      readonly firstVersions: readonly number[];
      /** New version of each record, in the order given; where `repeated`, 0 for those that others have written since. */
      readonly recordVersions: readonly number[];
      /** True where the same append had been applied already: nothing was written now. */
      readonly repeated: boolean;
    }
  | { readonly kind: "stream_conflict"; readonly stream: string; readonly actual: number }
  | { readonly kind: "record_conflict"; readonly key: string; readonly actual: number }
  | { readonly kind: "row_refused"; readonly refusal: RowRefusal };

export interface CommitResult {
  readonly outcomes: readonly CommitOutcome[];
  /** What was written because of it, in the same transaction: see `Follow`. */
  readonly followed?: readonly FollowedAppend[] | undefined;
  /**
   * Number of the last record change in the log after this commit, whoever made it. Says nothing (undefined, or any number) of a commit
   * that changed no record: it need not have been looked up.
   */
  readonly lastChange?: number | undefined;
}

export interface FollowedAppend {
  readonly append: EncodedAppend;
  readonly outcome: CommitOutcome;
}

/** What the transaction of a commit sees: the log as it will be, with what the commit has appended. */
export interface CommitReader {
  head(): Promise<number>;
  getRecords(keys: readonly string[]): Promise<StoredRecord[]>;
  readAll(after: number, limit: number, filter: EventFilter): Promise<LogPage>;
}

/**
 * Asked in the transaction of a commit that appends something: what else is to happen in it. Each of that happens or does not, without
 * harm to what it follows; what `Follow` throws keeps all of it from happening.
 */
export type Follow = (reader: CommitReader) => Promise<readonly EncodedAppend[]>;

export interface EncodedRecordChange {
  readonly change: number;
  readonly key: string;
  readonly value: string | null;
  readonly version: number;
  readonly expiresAt: number | null;
}

/** Record changes that were read at once, and how far the log was at that moment. */
export interface RecordChangePage {
  readonly changes: readonly EncodedRecordChange[];
  /** That none follows up to `lastChange`. Where it is false some may, after the last of these. */
  readonly isEnd: boolean;
  /** Number of the last record change of all, whatever its key. */
  readonly lastChange: number;
}

/**
 * The port to a database. A store decides and keeps; batching, waking and watching are done above it, once for all stores.
 *
 * Promised by every store (the contract suite in `testing/` holds it to them):
 * - `commit` applies its appends in order, each whole or not at all, each with its own outcome, and answers only when what it
 *   answers is as durable as `durability` says (W1).
 * - Ordinals have no gaps and are visible in order: whoever sees ordinal n+1 sees n (W9), under any number of writers.
 * - An append whose first event id is in the log already, in that stream, is answered as the first time, and not written again. One
 *   without events is known by its id, for as long as it was the last to write at least one of its records.
 * - Record changes are numbered in commit order in the same way.
 * - A page holds `maxPageBytes` at most, of events' data or of records' values, and the one event or record that goes beyond them. It is
 *   the end (`isEnd`) only where neither that nor the limit ended it.
 * - What an append is `with` happens in its transaction. An append one of whose rows is refused did not happen, and harms no other.
 * - `snapshot` is of one moment, and appends go on while it is read. `restore` brings back exactly that, or nothing.
 * - An event id stands in the log once: a `commit` that would write one again, other than by such a repeat, is refused, and nothing
 *   of its batch is written as long as no stream and no key stands in two of its appends.
 *
 * Not promised: that two commits of one store run at the same time; that a commit that rejects did not happen (send it again).
 * One stream must not stand in two appends of one batch unless no event of either expects a version.
 */
export interface Store {
  readonly durability: Durability;
  /** Whether nobody else can write to this database while it is open: then nobody needs to look for others' writes. */
  readonly exclusive: boolean;
  /** Between processes; absent where there is one alone, or where nothing carries word. There once the store is open. */
  readonly news?: News | undefined;
  open(): Promise<void>;
  close(): Promise<void>;
  /** `now` decides which records have expired: the caller's clock, so that simulated time holds for stores too. */
  commit(batch: readonly EncodedAppend[], now: number, follow?: Follow): Promise<CommitResult>;
  /** Events of a stream from a version on, upwards, or downwards from it. */
  readStream(stream: string, fromVersion: number, limit: number, direction: "forward" | "backward"): Promise<LogPage>;
  /**
   * Events of several streams upwards, in one question: a page for each, in the order asked. What is beyond the limits is left out, and
   * the first event there is not.
   */
  readStreams(from: readonly StreamFrom[], limits: StreamPageLimits): Promise<LogPage[]>;
  /** Events after an ordinal (forward) or before it (backward) that pass the filter. */
  readAll(from: number, limit: number, direction: "forward" | "backward", filter: EventFilter): Promise<LogPage>;
  /** The last ordinal and the last record change. */
  head(): Promise<{ ordinal: number; change: number }>;
  /** Records that have a value and have not expired, by key. */
  getRecords(keys: readonly string[], now: number): Promise<StoredRecord[]>;
  /** The same by prefix, in key order (code points, which is the order of UTF-8 bytes), after a key. */
  listRecords(prefix: string, after: string, limit: number, now: number): Promise<RecordPage>;
  /**
   * Record changes after a number of the keys that begin with one of some prefixes, oldest first; a key changed several times may be shown
   * once, as it is now. Without prefixes nothing but how far the log is.
   */
  readChanges(after: number, limit: number, prefixes: readonly string[]): Promise<RecordChangePage>;
  /** Forgets records that were deleted or expired before `before`; at most `limit`. Returns how many. */
  purgeRecords(before: number, limit: number): Promise<number>;
  /** Reads rows of somebody else's tables, as they are in what was committed. A store without tables refuses. */
  query(query: RowQuery): Promise<readonly Row[]>;
  /** The size of the database in bytes, undefined where it has none. */
  sizeBytes(): Promise<number | undefined>;
  /**
   * All events and records of all tenants as they were at one moment, page by page, each small enough for memory.
   * Appends go on meanwhile. To be read on without long pauses: a store may give up on whoever takes a minute for a page.
   */
  snapshot(): AsyncIterable<SnapshotPage>;
  /**
   * In place of `open`: fills an empty database with a snapshot, events and records exactly as they were, and opens it. All of it or
   * nothing: whatever ends it early leaves a database that is empty, or that no `open` takes (`log.restore_unfinished`) until a restore
   * has come to its end. Throws `log.not_empty`, having touched nothing, and `log.snapshot_damaged`.
   */
  restore(pages: AsyncIterable<SnapshotPage>): Promise<void>;
  /**
   * How the database goes about a query; undefined where there is none behind the store. Changes nothing: a statement of its own
   * is run in a transaction that may only read, any other is planned and not run, and must be a single SELECT (`log.not_explained`).
   */
  explain(request: ExplainRequest): Promise<Explanation | undefined>;
}

/** What a store throws when it could not commit for a reason that a retry will not mend: the same would be refused again. */
export const storeRefused = "log.store_refused";
/** What it throws when its disk is full: nothing was written, and the same may be taken once somebody has made room. */
export const storeNoSpace = "log.no_space";
/** What it throws when it cannot be reached at present: the same call may succeed later. */
export const storeUnavailable = "log.store_unavailable";
