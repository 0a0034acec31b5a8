import type { JsonObject, JsonValue } from "@viable/kernel";

/** One remembered thing. */
export interface MemoryEntry {
  readonly namespace: string;
  readonly key: string;
  readonly value: JsonValue;
  /** What was written with the value to say what it is; absent where nothing was. */
  readonly metadata?: JsonObject;
  /** Grows with each write; give it back to write only if nobody else has since. */
  readonly version: number;
  /** Wall time in milliseconds at which it was written where there was none; 0 where that was before it was kept. */
  readonly createdAt: number;
  /** Wall time in milliseconds of the last write; 0 where that was before it was kept. */
  readonly updatedAt: number;
  readonly expiresAt: number | null;
  /**
   * How often it was read by its key since it was created, up to this look, which is not among them. Reads in other processes show some
   * seconds later, and those of the last seconds before a crash never.
   */
  readonly accessCount: number;
  /** Wall time in milliseconds of the last of these reads; null where there was none. */
  readonly lastAccessAt: number | null;
}

export interface MemoryWrite {
  /** Default `default`. */
  readonly namespace?: string;
  /** The version it must have now (0: absent). Without it the write always happens. */
  readonly expected?: number;
  readonly expiresInMs?: number;
  /** Replaces what was there, as the value does: without it the entry has none from now on. At most 4 KiB of JSON. */
  readonly metadata?: JsonObject;
}

/**
 * A key-value memory with namespaces, versions and expiry; kept as records, so it survives restarts. Bounded: a value is at
 * most 1 MiB of JSON, its metadata 4 KiB, a key 200 characters, a namespace 100.
 */
export interface Memory {
  /** The entry of a key. Counts as an access, which costs no write. */
  get(key: string, namespace?: string): Promise<MemoryEntry | undefined>;
  /** Answers the new entry, or the version that stood in the way. */
  set(
    key: string,
    value: JsonValue,
    options?: MemoryWrite,
  ): Promise<{ ok: true; version: number } | { ok: false; reason: "conflict"; actual: number }>;
  delete(key: string, namespace?: string): Promise<void>;
  /**
   * Entries of a namespace in key order, at most `limit` (default 100, at most 1,000), after a key. Counts as no access to any of them.
   */
  list(namespace?: string, options?: { prefix?: string; after?: string; limit?: number }): Promise<MemoryEntry[]>;
}
