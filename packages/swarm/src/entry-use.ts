import type { JsonObject } from "@viable/kernel";
import type { RecordWrite, StoredRecord } from "@viable/log";

/** How a memory entry has been used since it was created. */
export interface Use {
  readonly accessCount: number;
  /** Wall time in milliseconds; null where it was never read. */
  readonly lastAccessAt: number | null;
}

/**
 * An entry's use as it is kept: in a record of its own beside the entry's, so that counting a read neither rewrites the value nor changes
 * the entry's version. Both are created, deleted and given their expiry in the same append: they live and die together, and whoever
 * writes a use at its version writes to the entry that was read, not to a later one of the same key.
 */
export interface EntryUse extends Use {
  /** The record's key. */
  readonly key: string;
  /** The record's version: it grows with each write of the use, not of the entry. */
  readonly version: number;
  readonly expiresAt: number | null;
  /** The id of the append that created the entry: another for each entry that a key has had. */
  readonly life: string;
}

/** No entry's key has a blank, so this is nobody else's; and no character comes before it, so a use stands right after its entry. */
const useSuffix = " use";

export const useKeyOf = (entryKey: string): string => entryKey + useSuffix;
export const isUseKey = (key: string): boolean => key.endsWith(useSuffix);

/** Writes a use; `expected` as for every record. */
export function writeUse(
  { key, life, accessCount, lastAccessAt, expiresAt }: Omit<EntryUse, "version">,
  expected: RecordWrite["expected"],
): RecordWrite {
  return { key, value: { life, accessCount, lastAccessAt }, expected, expiresAt };
}

/** Reads what `writeUse` wrote. */
export function readUse({ key, value, version, expiresAt }: StoredRecord): EntryUse {
  const { life, accessCount, lastAccessAt } = value as JsonObject &
    Pick<EntryUse, "life" | "accessCount" | "lastAccessAt">;
  return { key, version, expiresAt, life, accessCount, lastAccessAt };
}
