import { ViableError } from "@viable/kernel";
import { decodeEvent } from "./encode.ts";
import { notEmpty, snapshotDamaged } from "./errors.ts";
import type { EventFilter, StoredEvent } from "./events.ts";
import { matchesFilter, toOrdinal } from "./events.ts";
import type { LogPage } from "./log-page.ts";
import { maxPageBytes } from "./log-page.ts";
import type { RecordPage, StoredRecord } from "./records.ts";
import type { RowRefusal, RowWrite } from "./row-write.ts";
import type { PlacedEvent, PlacedRecord, SnapshotHead } from "./snapshot.ts";
import { checkSnapshot } from "./snapshot.ts";
import type {
  CommitOutcome,
  CommitReader,
  EncodedAppend,
  EncodedStreamAppend,
  FollowedAppend,
  Store,
} from "./store.ts";
import { storeRefused } from "./store.ts";
import type { FoundEvent } from "./stream-pages.ts";
import { toStreamPages } from "./stream-pages.ts";

const utf8 = new TextEncoder();
/** Items of a snapshot that are handed over at once. */
const snapshotItems = 1_000;

interface Row {
  value: string | null;
  version: number;
  expiresAt: number | null;
  change: number;
  changedAt: number;
  writtenBy: string | undefined;
}

/** The plainest correct store: what the others are compared with, and what tests and simulation run on. Keeps nothing. */
export function createMemoryStore(): Store {
  const events: StoredEvent[] = [];
  /** The same in the texts they came in, for snapshots: what is parsed and written again may differ. */
  const placed: PlacedEvent[] = [];
  /** How long the text of each one's data is. */
  const dataBytes: number[] = [];
  const streams = new Map<string, StoredEvent[]>();
  const byId = new Map<string, StoredEvent>();
  const rows = new Map<string, Row>();
  let lastChange = 0;

  const isLive = (row: Row | undefined, now: number): row is Row & { value: string } =>
    row !== undefined && row.value !== null && (row.expiresAt === null || row.expiresAt > now);
  const toRecord = (key: string, row: Row & { value: string }): StoredRecord => ({
    key,
    value: JSON.parse(row.value),
    version: row.version,
    expiresAt: row.expiresAt,
  });

  const place = (event: PlacedEvent): void => {
    const stored = decodeEvent(event, event.stream, event.version, event.ordinal);
    const stream = streams.get(event.stream) ?? [];
    streams.set(event.stream, stream);
    placed.push(event);
    dataBytes.push(utf8.encode(event.data).length);
    events.push(stored);
    stream.push(stored);
    byId.set(stored.id, stored);
  };

  /** Decides on an append and applies it; adds to `undo` how to take that back. */
  const commitOne = (append: EncodedAppend, now: number, undo: (() => void)[]): CommitOutcome => {
    const repeated = findRepeat(append, byId, streams, rows);
    if (repeated !== undefined) return repeated;
    for (const write of append.streams) {
      const actual = streams.get(write.stream)?.length ?? 0;
      if (write.expected >= 0 && write.expected !== actual)
        return { kind: "stream_conflict", stream: write.stream, actual };
    }
    for (const write of append.records) {
      const row = rows.get(write.key);
      const actual = isLive(row, now) ? row.version : 0;
      if (write.expected >= 0 && write.expected !== actual) return { kind: "record_conflict", key: write.key, actual };
    }
    const ids = append.streams.flatMap((write) => write.events.map((event) => event.id));
    const known = ids.find((id, index) => byId.has(id) || ids.indexOf(id) < index);
    if (known !== undefined) throw idTaken(known);
    const firstOrdinal = events.length + 1;
    const before = { change: lastChange, rows: append.records.map(({ key }) => [key, rows.get(key)] as const) };
    const firstVersions = append.streams.map((write) => {
      const stream = streams.get(write.stream) ?? [];
      streams.set(write.stream, stream);
      const firstVersion = stream.length + 1;
      for (const event of write.events)
        place({ ...event, stream: write.stream, version: stream.length + 1, ordinal: events.length + 1 });
      return firstVersion;
    });
    const recordVersions = append.records.map((write) => {
      const version = (rows.get(write.key)?.version ?? 0) + 1;
      lastChange += 1;
      rows.set(write.key, {
        value: write.value,
        version,
        expiresAt: write.expiresAt,
        change: lastChange,
        changedAt: now,
        writtenBy: append.id,
      });
      return version;
    });
    const takeBack = () => {
      events.length = firstOrdinal - 1;
      placed.length = firstOrdinal - 1;
      dataBytes.length = firstOrdinal - 1;
      append.streams.forEach((write, index) => {
        const stream = streams.get(write.stream) as StoredEvent[];
        stream.length = Math.min(stream.length, (firstVersions[index] as number) - 1);
      });
      for (const id of ids) byId.delete(id);
      lastChange = before.change;
      for (const [key, row] of before.rows) {
        if (row === undefined) rows.delete(key);
        else rows.set(key, row);
      }
    };
    const written = writeRows(append.with ?? []);
    if ("refusal" in written) {
      takeBack();
      return { kind: "row_refused", refusal: written.refusal };
    }
    undo.push(takeBack, written.takeBack);
    return { kind: "appended", firstOrdinal, firstVersions, recordVersions, repeated: false };
  };

  const bytesOf = (event: StoredEvent): number => dataBytes[toOrdinal(event.position) - 1] ?? 0;
  const toPage = (found: readonly StoredEvent[], limit: number): LogPage => {
    const { items, isEnd } = cutPage(found, limit, bytesOf);
    return { events: items, isEnd };
  };
  const readAfter = (from: number, limit: number, filter: EventFilter): LogPage => {
    const found: StoredEvent[] = [];
    for (let index = from; index < events.length && found.length < limit; index++) {
      const event = events[index] as StoredEvent;
      if (matchesFilter(event, filter)) found.push(event);
    }
    return toPage(found, limit);
  };
  const liveRecords = (keys: readonly string[], now: number): StoredRecord[] =>
    keys.flatMap((key) => {
      const row = rows.get(key);
      return isLive(row, now) ? [toRecord(key, row)] : [];
    });
  const readerAt = (now: number): CommitReader => ({
    head: async () => events.length,
    getRecords: async (keys) => liveRecords(keys, now),
    readAll: async (after, limit, filter) => readAfter(after, limit, filter),
  });

  return {
    durability: "nothing",
    exclusive: true,
    async open() {},
    async close() {},
    async commit(batch, now, follow) {
      const undo: (() => void)[] = [];
      try {
        const outcomes = batch.map((append) => commitOne(append, now, undo));
        if (follow === undefined || !outcomes.some(isNew)) return { outcomes, lastChange };
        const followed: FollowedAppend[] = [];
        for (const append of await follow(readerAt(now))) {
          followed.push({ append, outcome: commitOne(append, now, undo) });
        }
        return { outcomes, followed, lastChange };
      } catch (error) {
        // As of a statement that is refused, nothing is left of the batch.
        for (const step of undo.reverse()) step();
        throw error;
      }
    },
    async readStream(name, fromVersion, limit, direction) {
      const stream = streams.get(name) ?? [];
      const start = Math.max(0, fromVersion - 1);
      if (direction === "forward") return toPage(stream.slice(start, start + limit), limit);
      const end = Math.max(0, Math.min(fromVersion, stream.length));
      return toPage(stream.slice(Math.max(0, end - limit), end).reverse(), limit);
    },
    async readStreams(from, limits) {
      const wanted = from.flatMap(({ stream, fromVersion }, at): FoundEvent[] => {
        const start = Math.max(0, fromVersion - 1);
        const page = (streams.get(stream) ?? []).slice(start, start + limits.events);
        return page.map((event) => ({ at, event }));
      });
      let bytes = 0;
      const end = wanted.findIndex(({ event }) => {
        if (bytes >= limits.bytes) return true;
        bytes += bytesOf(event);
        return false;
      });
      const isCut = end >= 0;
      return toStreamPages(from.length, isCut ? wanted.slice(0, end) : wanted, limits.events, isCut);
    },
    async readAll(from, limit, direction, filter) {
      if (direction === "forward") return readAfter(from, limit, filter);
      const found: StoredEvent[] = [];
      for (let index = Math.min(from - 2, events.length - 1); index >= 0 && found.length < limit; index--) {
        const event = events[index] as StoredEvent;
        if (matchesFilter(event, filter)) found.push(event);
      }
      return toPage(found, limit);
    },
    async head() {
      return { ordinal: events.length, change: lastChange };
    },
    async getRecords(keys, now) {
      return liveRecords(keys, now);
    },
    async listRecords(prefix, after, limit, now): Promise<RecordPage> {
      const found = [...rows]
        .filter(([key]) => key.startsWith(prefix) && compareByCodePoint(key, after) > 0)
        .sort(([a], [b]) => compareByCodePoint(a, b))
        .flatMap(([key, row]) => (isLive(row, now) ? [{ key, row }] : []));
      const { items, isEnd } = cutPage(found.slice(0, limit), limit, ({ row }) => utf8.encode(row.value).length);
      return { records: items.map(({ key, row }) => toRecord(key, row)), isEnd };
    },
    async readChanges(after, limit, prefixes) {
      const found = [...rows]
        .filter(([key, row]) => row.change > after && prefixes.some((prefix) => key.startsWith(prefix)))
        .sort(([, a], [, b]) => a.change - b.change)
        .slice(0, limit);
      const { items, isEnd } = cutPage(found, limit, ([, row]) => utf8.encode(row.value ?? "").length);
      const changes = items.map(([key, { change, value, version, expiresAt }]) => ({
        key,
        change,
        value,
        version,
        expiresAt,
      }));
      return { changes, isEnd, lastChange };
    },
    async purgeRecords(before, limit) {
      let purged = 0;
      for (const [key, row] of rows) {
        if (purged >= limit) break;
        const gone = row.value === null ? row.changedAt < before : row.expiresAt !== null && row.expiresAt < before;
        if (gone) {
          rows.delete(key);
          purged += 1;
        }
      }
      return purged;
    },
    async query() {
      throw new ViableError(storeRefused, "There are no tables in memory to read from.", {
        next: "Keep what is written with an append where its function puts it, or use a database.",
      });
    },
    async sizeBytes() {
      return undefined;
    },
    async *snapshot() {
      const head: SnapshotHead = { ordinal: events.length, change: lastChange, records: rows.size };
      const records = [...rows].map(([key, row]) => placeRecord(key, row));
      for (let at = 0; at < records.length; at += snapshotItems)
        yield { kind: "records", records: records.slice(at, at + snapshotItems) };
      yield { kind: "head", head };
      for (let at = 0; at < head.ordinal; at += snapshotItems)
        yield { kind: "events", events: placed.slice(at, Math.min(at + snapshotItems, head.ordinal)) };
    },
    async restore(pages) {
      if (events.length > 0 || rows.size > 0 || lastChange > 0) throw notEmpty("The store");
      const records = new Map<string, Row>();
      const whole: PlacedEvent[] = [];
      let head: SnapshotHead | undefined;
      for await (const page of checkSnapshot(pages)) {
        if (page.kind === "records") for (const record of page.records) records.set(record.key, toRow(record));
        if (page.kind === "head") head = page.head;
        if (page.kind === "events") whole.push(...page.events);
      }
      if (records.size !== head?.records) throw snapshotDamaged(`it has ${records.size} records of ${head?.records}`);
      for (const [key, row] of records) rows.set(key, row);
      for (const event of whole) place(event);
      lastChange = head.change;
    },
    async explain() {
      return undefined;
    },
  };
}

/** The first of what was found with a limit, up to the one that reaches the bytes of a page. */
function cutPage<T>(
  found: readonly T[],
  limit: number,
  bytesOf: (item: T) => number,
): { items: readonly T[]; isEnd: boolean } {
  let bytes = 0;
  for (const [index, item] of found.entries()) {
    bytes += bytesOf(item);
    if (bytes >= maxPageBytes && index + 1 < found.length) return { items: found.slice(0, index + 1), isEnd: false };
  }
  return { items: found, isEnd: found.length < limit };
}

const isNew = (outcome: CommitOutcome): boolean => outcome.kind === "appended" && !outcome.repeated;

/** Writes all or none. */
function writeRows(writes: readonly RowWrite[]): { takeBack: () => void } | { refusal: RowRefusal } {
  const undo: (() => void)[] = [];
  const takeBack = () => {
    for (const step of undo.reverse()) step();
  };
  for (const [index, write] of writes.entries()) {
    try {
      if (!("apply" in write)) throw new Error("there are no tables in memory to write statements to");
      undo.push(write.apply());
    } catch (error) {
      takeBack();
      return { refusal: { write: index, message: error instanceof Error ? error.message : String(error) } };
    }
  }
  return { takeBack };
}

function placeRecord(key: string, { writtenBy, ...row }: Row): PlacedRecord {
  return { key, ...row, writtenBy: writtenBy ?? null };
}

function toRow({ key: _, writtenBy, ...record }: PlacedRecord): Row {
  return { ...record, writtenBy: writtenBy ?? undefined };
}

/**
 * An append whose first event is in the log already, in its stream, has happened; one without events, where it was the last to write
 * one of its records. The answer is the first one's.
 */
function findRepeat(
  append: EncodedAppend,
  byId: Map<string, StoredEvent>,
  streams: Map<string, StoredEvent[]>,
  rows: Map<string, Row>,
): CommitOutcome | undefined {
  const earlier = (write: EncodedStreamAppend): StoredEvent | undefined => {
    const event = byId.get(write.events[0]?.id ?? "");
    return event?.stream === write.stream ? event : undefined;
  };
  const first = append.streams.find((write) => write.events.length > 0);
  const event = first && earlier(first);
  const recordVersions = versionsLeft(append, rows);
  const happened = first === undefined ? recordVersions.some((version) => version > 0) : event !== undefined;
  if (!happened) return undefined;
  return {
    kind: "appended",
    firstOrdinal: event === undefined ? 0 : toOrdinal(event.position),
    // A write without events left no trace: what it expected is what it found, or else what there is now.
    firstVersions: append.streams.map((write) => {
      const found = write.expected >= 0 ? write.expected : (streams.get(write.stream)?.length ?? 0);
      return earlier(write)?.version ?? found + 1;
    }),
    recordVersions,
    repeated: true,
  };
}

/** The versions that an append left its records at; 0 for those that it was not the last to write. */
function versionsLeft(append: EncodedAppend, rows: Map<string, Row>): number[] {
  return append.records.map(({ key }, index) => {
    const row = rows.get(key);
    if (row === undefined || append.id === undefined || row.writtenBy !== append.id) return 0;
    return row.version - append.records.slice(index + 1).filter((later) => later.key === key).length;
  });
}

const idTaken = (id: string): ViableError =>
  new ViableError(storeRefused, `An event with the id ${id} is in the log already, from another append.`, {
    next: "Give every event an id of its own, or none.",
  });

/** The order of UTF-8 bytes, which databases sort by. JavaScript's own differs where surrogates meet what comes after them. */
function compareByCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const [x, y] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (x !== y) return surrogatesLast(x) - surrogatesLast(y);
  }
  return a.length - b.length;
}

const surrogatesLast = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);
