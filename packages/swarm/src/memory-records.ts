import type { Context, JsonObject, JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { AppendOutcome, Log, RecordWrite, StoredRecord } from "@viable/log";
import type { AccessCounter } from "./access-counter.ts";
import { appendOnce } from "./append-once.ts";
import type { EntryUse, Use } from "./entry-use.ts";
import { isUseKey, readUse, useKeyOf, writeUse } from "./entry-use.ts";
import type { Memory, MemoryEntry, MemoryWrite } from "./memory.ts";

/** The name under which memory that all services share is kept; not a service's name, since those have no `@`. */
export const globalMemoryService = "@global";

const maxKeyChars = 200;
const maxNamespaceChars = 100;
/** A mebibyte of JSON: memory is for what is worked with, files are for what is stored. */
const maxValueChars = 1024 * 1024;
/** Four kibibytes of JSON: metadata says what a value is and is read with every list; what is larger is a value. */
const maxMetadataChars = 4 * 1024;
const defaultNamespace = "default";
/** How many entries a list has unless told, and at most. */
const defaultListed = 100;
const maxListed = 1_000;

/** What an entry's record holds. */
interface EntryRecord {
  readonly value: JsonValue;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly metadata?: JsonObject;
}

/** An entry and its use, as they were at one moment. */
interface Found extends EntryRecord {
  readonly key: string;
  readonly version: number;
  readonly expiresAt: number | null;
  /** Undefined where the entry was written before uses were kept. */
  readonly use: EntryUse | undefined;
}

/** What is to be written. */
interface EntryWrite {
  readonly key: string;
  readonly value: JsonValue;
  readonly metadata: JsonObject | undefined;
  readonly expected: number | undefined;
  readonly now: number;
  readonly expiresAt: number | null;
  /** The id of the append that writes it. */
  readonly id: string;
}

/**
 * Memory of one service and tenant, kept as records. Every key carries both (W11). Reads are counted by `accesses`, the process's one;
 * without it, as where nobody asks, they are not.
 */
export function createMemory(log: Log, ctx: Context, service: string, accesses?: AccessCounter): Memory {
  const prefixOf = (namespace: string) => `memory/${encode(ctx.tenant)}/${encode(service)}/${encode(namespace)}/`;
  const keyOf = (key: string, namespace: string) => {
    checkName("key", key, maxKeyChars);
    checkName("namespace", namespace, maxNamespaceChars);
    return prefixOf(namespace) + encode(key);
  };
  /** Entry and use in one question: two would cost a reader twice, and might answer of two lives of the key. */
  const find = async (key: string): Promise<Found | undefined> => {
    // An entry is far smaller than a page, so that its use is in the same.
    const [found] = pair((await log.listRecords(ctx, key, { limit: 2 })).records);
    return found?.key === key ? found : undefined;
  };
  const toEntry = (found: Found, namespace: string) =>
    entryOf(found, namespace, found.use && (accesses?.withUnwritten(found.use) ?? found.use));
  const write = async (entry: EntryWrite, overRaces: boolean): Promise<AppendOutcome> => {
    const before = entry.expected === 0 ? undefined : await find(entry.key);
    return await appendOnce(log, ctx, { id: entry.id, records: recordsOf(entry, before, overRaces) });
  };
  return {
    async get(key, namespace = defaultNamespace) {
      const found = await find(keyOf(key, namespace));
      if (found === undefined) return undefined;
      const entry = toEntry(found, namespace);
      if (found.use !== undefined) accesses?.count(found.use, ctx.runtime.clock.now());
      return entry;
    },
    async set(key, value, options = {}) {
      const entry = toWrite(ctx, keyOf(key, options.namespace ?? defaultNamespace), value, options);
      const first = await write(entry, false);
      const outcome = wasRace(first, entry) ? await write(entry, true) : first;
      if (outcome.ok) return { ok: true, version: readVersion(outcome.recordVersions) };
      if (outcome.reason === "record_conflict") return { ok: false, reason: "conflict", actual: outcome.actual };
      throw notKept(outcome.reason);
    },
    async delete(key, namespace = defaultNamespace) {
      const entryKey = keyOf(key, namespace);
      const outcome = await appendOnce(log, ctx, {
        id: ctx.runtime.ids.next("apd"),
        records: [entryKey, useKeyOf(entryKey)].map((gone) => ({ key: gone, value: null, expected: "any" })),
      });
      if (!outcome.ok) throw notKept(outcome.reason);
    },
    async list(namespace = defaultNamespace, options = {}) {
      checkName("namespace", namespace, maxNamespaceChars);
      const prefix = prefixOf(namespace);
      const limit = Math.min(options.limit ?? defaultListed, maxListed);
      const after = options.after === undefined ? "" : useKeyOf(prefix + encode(options.after));
      // Each entry may have its use beside it.
      const records = await listUpTo(ctx, log, prefix + encode(options.prefix ?? ""), after, limit * 2);
      return pair(records)
        .slice(0, limit)
        .map((found) => toEntry(found, namespace));
    },
  };
}

// Keys are whatever users choose: `%`-escapes keep them apart from the slashes between the parts, and from the blank of a use.
const encode = (part: string): string => encodeURIComponent(part.toWellFormed());

/** Records after a key, as many as are wanted or all that there are: where entries are large, that is several pages. */
async function listUpTo(ctx: Context, log: Log, prefix: string, after: string, limit: number): Promise<StoredRecord[]> {
  const found: StoredRecord[] = [];
  for (let isEnd = false; !isEnd && found.length < limit; ) {
    const wanted = limit - found.length;
    const page = await log.listRecords(ctx, prefix, { after: found.at(-1)?.key ?? after, limit: wanted });
    const { records } = page;
    // Its use, in the next page, might be that of another life of the key: it is read once more, with it.
    const isParted =
      !page.isEnd && records.length < wanted && records.length > 1 && !isUseKey(records.at(-1)?.key ?? "");
    found.push(...(isParted ? records.slice(0, -1) : records));
    isEnd = page.isEnd;
  }
  return found;
}

/** Entries with the uses that stand right after them. */
function pair(records: readonly StoredRecord[]): Found[] {
  return records.flatMap((record, index) => {
    if (isUseKey(record.key)) return [];
    const next = records[index + 1];
    return [toFound(record, next?.key === useKeyOf(record.key) ? readUse(next) : undefined)];
  });
}

/** What has no use beside it was written before there were any: then the record is the bare value. */
function toFound({ key, value, version, expiresAt }: StoredRecord, use: EntryUse | undefined): Found {
  const entry = use === undefined ? { value, createdAt: 0, updatedAt: 0 } : (value as unknown as EntryRecord);
  return { ...entry, key, version, expiresAt, use };
}

function entryOf({ use: _, ...found }: Found, namespace: string, use: Use | undefined): MemoryEntry {
  return {
    ...found,
    namespace,
    key: decodeURIComponent(found.key.slice(found.key.lastIndexOf("/") + 1)),
    accessCount: use?.accessCount ?? 0,
    lastAccessAt: use?.lastAccessAt ?? null,
  };
}

function toWrite(ctx: Context, key: string, value: JsonValue, options: MemoryWrite): EntryWrite {
  checkValue(value);
  if (options.metadata !== undefined) checkMetadata(options.metadata);
  const now = ctx.runtime.clock.now();
  return {
    key,
    value,
    metadata: options.metadata,
    expected: options.expected,
    now,
    expiresAt: options.expiresInMs === undefined ? null : now + options.expiresInMs,
    id: ctx.runtime.ids.next("apd"),
  };
}

/**
 * The records of a write beside what was there before it. At first they expect that to be there still, whatever the caller expects, since
 * creation and use are taken over from it. Over a race only the caller's expectation counts, so that a write without one happens: what
 * others wrote meanwhile is overwritten, the reads that they added included.
 */
function recordsOf(entry: EntryWrite, before: Found | undefined, overRaces: boolean): RecordWrite[] {
  const { key, value, metadata, expiresAt } = entry;
  const kept: EntryRecord = {
    value,
    createdAt: before?.createdAt ?? entry.now,
    updatedAt: entry.now,
    ...(metadata !== undefined && { metadata }),
  };
  const expected = entry.expected ?? (overRaces ? "any" : (before?.version ?? 0));
  const main: RecordWrite = { key, value: { ...kept }, expected, expiresAt };
  if (before?.use === undefined) {
    const unused = { key: useKeyOf(key), life: entry.id, accessCount: 0, lastAccessAt: null, expiresAt };
    return [main, writeUse(unused, "any")];
  }
  if (!overRaces && before.expiresAt === expiresAt) return [main];
  return [main, writeUse({ ...before.use, expiresAt }, overRaces ? "any" : before.use.version)];
}

/** Whether a write failed on what was read for it, and not on what its caller expects. */
const wasRace = (outcome: AppendOutcome, { key, expected }: EntryWrite): boolean =>
  !outcome.ok && outcome.reason === "record_conflict" && (expected === undefined || outcome.key !== key);

/** The version that a write left its entry at. Sent again, it is told of none where others have written the entry since. */
function readVersion([version = 0]: readonly number[]): number {
  if (version > 0) return version;
  throw new ViableError(
    "memory.overwritten",
    "It was written, and others have written it since: its version is not known.",
    {
      next: "Read the entry for what it is now. Writing it again may undo what others wrote.",
    },
  );
}

function checkName(what: string, name: string, maxChars: number): void {
  if (name.length === 0 || name.length > maxChars) {
    throw new ViableError(
      "memory.invalid",
      `A memory ${what} has 1 to ${maxChars} characters; this has ${name.length}.`,
    );
  }
}

function checkValue(value: JsonValue): void {
  if (value === null || value === undefined)
    throw new ViableError("memory.invalid", `${value} is not kept: delete the key instead.`);
  checkSize("value", value, maxValueChars, "Keep it in parts, or keep a reference to it.");
}

function checkMetadata(metadata: JsonObject): void {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata))
    throw new ViableError("memory.invalid", "The metadata of a memory entry is a JSON object.");
  checkSize("metadata", metadata, maxMetadataChars, "Keep what is large in the value.");
}

function checkSize(what: string, json: JsonValue, maxChars: number, next: string): void {
  const chars = JSON.stringify(json)?.length ?? 0;
  if (chars <= maxChars) return;
  throw new ViableError(
    "memory.too_large",
    `A memory entry's ${what} holds ${maxChars} characters of JSON at most; this has ${chars}.`,
    { next },
  );
}

const notKept = (reason: string): ViableError =>
  new ViableError("memory.not_kept", `The database did not take it: ${reason}.`, {
    retryable: true,
    next: "Try again shortly.",
  });
