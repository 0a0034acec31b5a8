import type { JsonValue } from "@viable/kernel";

/** One remembered thing. */
export interface MemoryEntry {
  readonly namespace: string;
  readonly key: string;
  readonly value: JsonValue;
  /** Grows with each write; give it back to write only if nobody else has since. */
  readonly version: number;
  readonly expiresAt: number | null;
}

export interface MemoryWrite {
  /** Default `default`. */
  readonly namespace?: string;
  /** The version it must have now (0: absent). Without it the write always happens. */
  readonly expected?: number;
  readonly expiresInMs?: number;
}

/**
 * A key-value memory with namespaces, versions and expiry; kept as records, so it survives restarts. Bounded: a value is at
 * most 1 MiB of JSON, a key 200 characters, a namespace 100.
 */
export interface Memory {
  get(key: string, namespace?: string): Promise<MemoryEntry | undefined>;
  /** Answers the new entry, or the version that stood in the way. */
  set(
    key: string,
    value: JsonValue,
    options?: MemoryWrite,
  ): Promise<{ ok: true; version: number } | { ok: false; reason: "conflict"; actual: number }>;
  delete(key: string, namespace?: string): Promise<void>;
  /** Entries of a namespace in key order, at most `limit` (default 100, at most 1,000), after a key. */
  list(namespace?: string, options?: { prefix?: string; after?: string; limit?: number }): Promise<MemoryEntry[]>;
}
