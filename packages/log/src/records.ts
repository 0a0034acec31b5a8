import type { JsonValue } from "@viable/kernel";

/**
 * A keyed row with a version, for what is not history: leases, counters, tokens, memory. Its writes go through the same
 * flush as events, so a record and an event can change together or not at all.
 */
export interface StoredRecord {
  readonly key: string;
  readonly value: JsonValue;
  /** Grows with every write of the key, also over deletion and expiry for as long as the store remembers the key. */
  readonly version: number;
  /** Wall time in milliseconds after which the record counts as absent; null for ever. */
  readonly expiresAt: number | null;
}

/**
 * What was read at once of the records under a prefix, in the order of their keys. As of events: values of `maxPageBytes` at most, and the
 * one that goes beyond them; where it is not the end there is at least one record, unless none was asked for.
 */
export interface RecordPage {
  readonly records: readonly StoredRecord[];
  /** That nothing follows them. Where it is false something may, however few they are: who wants it reads on after the last one's key. */
  readonly isEnd: boolean;
}

/** One write. `value: null` deletes. */
export interface RecordWrite {
  readonly key: string;
  readonly value: JsonValue;
  /** The version the record must have now (0: it must be absent or expired), or `any`. */
  readonly expected: number | "any";
  readonly expiresAt?: number | null;
}

/** A change of a record, as watchers see it. `value` is null where the record was deleted. */
export interface RecordChange {
  readonly key: string;
  readonly value: JsonValue;
  readonly version: number;
  readonly expiresAt: number | null;
}
