import type { LogPage, Store } from "@viable/log";
import { decodeEvent, toOrdinal, toPosition } from "@viable/log";
import type { FoundEvent, LogRows, PublicKey, Seal, SealVerdict } from "@viable/security";
import { readSealFile, sealStream, sizeOfSealFile, verifySeals } from "@viable/security";
import type { BackupSummary } from "./backup-file.ts";
import { checkBackup, readBackup } from "./backup-file.ts";

/** What a log was held against, and what came of it. */
export type VerifiedLog = SealVerdict & {
  /** The file of seals from outside the log; undefined where there is none. */
  readonly sealsFile: string | undefined;
};

export interface VerifyEventsOptions {
  /** Public keys that are trusted, by id. */
  readonly keys: ReadonlyMap<string, PublicKey>;
  /** Where seals were kept outside the log; where no such file is, the verdict says what that means. */
  readonly sealsFile: string | undefined;
  readonly expected?: { readonly number: number; readonly hash: string } | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told now and then how many events of how many have been read. */
  onProgress?(read: number, total: number): void;
}

/** How long it may take, in milliseconds: a hundred million events in an hour and a half, beside a running system. */
export const verifyTimeoutMs = 2 * 3_600_000;
/** Events that are read at once, and hashed in some 5 ms: the loop is given to others between. */
const pageEvents = 500;
/** Seals that are read at once: a megabyte. */
const pageSeals = 100;
/**
 * A backup has every seal that was made this long before it was taken, in milliseconds: clocks of processes differ, and an append may
 * take its time.
 */
const backupSlackMs = 60_000;

/** Verifies the log in a database that is open. Appends may go on: what comes after the beginning is not looked at. */
export async function verifyDatabase(store: Store, options: VerifyEventsOptions): Promise<VerifiedLog> {
  // In this order: what the file has by now, the log has.
  const outside = await openSeals(options.sealsFile);
  const { ordinal } = await store.head();
  return await verify(storedRows(store, ordinal), outside, options);
}

/** Verifies the log in a backup. Seals from outside that were made after it are not expected in it. */
export async function verifyBackup(file: string, options: VerifyEventsOptions): Promise<VerifiedLog> {
  const summary = await checkBackup(file, options.signal);
  const outside = await openSeals(options.sealsFile);
  const madeBefore = Date.parse(summary.at) - backupSlackMs;
  const until = outside && (() => takeWhile(outside(), ({ sealedAt }) => sealedAt <= madeBefore));
  return await verify(backupRows(file, summary, options.signal), until, options);
}

async function verify(
  rows: LogRows,
  outside: (() => AsyncIterable<Seal>) | undefined,
  { keys, expected, signal, sealsFile, onProgress }: VerifyEventsOptions,
): Promise<VerifiedLog> {
  const verdict = await verifySeals(rows, {
    keys,
    expected,
    signal,
    outside: outside?.(),
    onSeal: (to) => onProgress?.(toOrdinal(to), toOrdinal(rows.head)),
  });
  return { ...verdict, sealsFile: outside === undefined ? undefined : sealsFile };
}

/** The seals that a file has now; undefined where there is no file. */
async function openSeals(path: string | undefined): Promise<(() => AsyncGenerator<Seal>) | undefined> {
  if (path === undefined) return undefined;
  const bytes = await sizeOfSealFile(path);
  return bytes === undefined ? undefined : () => readSealFile(path, bytes);
}

/** The rows of a database. What whoever has the database has made of them may be no JSON any more. */
function storedRows(store: Pick<Store, "readAll" | "readStream">, head: number): LogRows {
  return {
    head: toPosition(head),
    async *events() {
      let limit = pageEvents;
      for (let from = 0; from < head; ) {
        const page = await readable(() => store.readAll(from, limit, "forward", {}));
        if (typeof page !== "string") {
          for (const event of page.events) if (toOrdinal(event.position) <= head) yield event;
          const last = page.events.at(-1);
          if (page.isEnd || last === undefined) return;
          from = toOrdinal(last.position);
        } else if (limit > 1) {
          // One of these: they are read one by one up to it.
          limit = 1;
        } else {
          from += 1;
          limit = pageEvents;
          yield { position: toPosition(from), unreadable: page };
        }
      }
    },
    async *seals() {
      let limit = pageSeals;
      for (let from = 1; from <= head; ) {
        const page = await readable(() => store.readStream(sealStream, from, limit, "forward"));
        if (typeof page !== "string") {
          for (const event of page.events) if (toOrdinal(event.position) <= head) yield event;
          const last = page.events.at(-1);
          if (page.isEnd || last === undefined) return;
          from = last.version + 1;
        } else if (limit > 1) {
          limit = 1;
        } else {
          from += 1;
          limit = pageSeals;
        }
      }
    },
  };
}

/** A page, or why a row of it cannot be read. */
async function readable(read: () => Promise<LogPage>): Promise<LogPage | string> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof SyntaxError) return error.message;
    throw error;
  }
}

/** The rows of a backup. It is read twice at a time, once for its events and once for its seals. */
function backupRows(file: string, summary: BackupSummary, signal: AbortSignal | undefined): LogRows {
  async function* rows(): AsyncGenerator<FoundEvent> {
    for await (const page of readBackup(file, summary, signal)) {
      if (page.kind !== "events") continue;
      for (const { stream, version, ordinal, ...event } of page.events) {
        try {
          yield decodeEvent(event, stream, version, ordinal);
        } catch (error) {
          if (!(error instanceof SyntaxError)) throw error;
          yield { position: toPosition(ordinal), unreadable: error.message };
        }
      }
    }
  }
  return {
    head: toPosition(summary.ordinal),
    events: rows,
    async *seals() {
      for await (const row of rows()) if ("stream" in row && row.stream === sealStream) yield row;
    },
  };
}

async function* takeWhile<T>(items: AsyncIterable<T>, holds: (item: T) => boolean): AsyncGenerator<T> {
  for await (const item of items) {
    if (!holds(item)) return;
    yield item;
  }
}
