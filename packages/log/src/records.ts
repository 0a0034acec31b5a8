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
