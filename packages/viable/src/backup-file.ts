/**
 * A backup as a file of lines, each a JSON value: a head that says what it is, a line for each record and then for each event with all
 * that the database keeps of it, and an end with their numbers, where the log stood, and a checksum over every byte before it. A file
 * without its end was cut off. Where the log stood is in the end and not in the head, because an embedded database knows it only when
 * its last record is read.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { JsonObject } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { PlacedEvent, PlacedRecord, SnapshotHead, SnapshotPage } from "@viable/log";
import { toPosition } from "@viable/log";
import { z } from "zod";
import { version as release } from "./version.ts";

const format = "viable-backup";
const formatVersion = 1;

/** Larger databases have tools of their own: at 20 MB a second this takes an hour. */
const maxBackupBytes = 64 * 1024 ** 3;
/** An event or a record has 8 Mi characters of data at most, each of three bytes at most, and names of half a kilobyte beside them. */
const maxLineBytes = 32 * 1024 ** 2;
/** What a backup leaves free on its disk, since the database may live there: its write-ahead log grows by 16 MiB at a time. */
const keptFreeBytes = 256 * 1024 ** 2;
/** How often it looks how much that is, in bytes written. */
const lookEveryBytes = 64 * 1024 ** 2;
/** Items and bytes that are handed on at once when a backup is read. */
const pageItems = 1_000;
const pageBytes = 1024 ** 2;

/** How long a backup may take, in milliseconds: the largest takes an hour where nothing else is done, and this is beside a running system. */
export const backupTimeoutMs = 4 * 3_600_000;

const headLine = z.strictObject({
  kind: z.literal("head"),
  format: z.literal(format),
  formatVersion: z.literal(formatVersion),
  release: z.string(),
  system: z.string(),
  /** Whose work it is: an execution that begins again knows its own. */
  id: z.string(),
  at: z.string(),
});
const recordLine = z.strictObject({
  kind: z.literal("record"),
  key: z.string(),
  value: z.string().nullable(),
  version: z.number(),
  expiresAt: z.number().nullable(),
  change: z.number(),
  changedAt: z.number(),
  writtenBy: z.string().nullable(),
});
const eventLine = z.strictObject({
  kind: z.literal("event"),
  ordinal: z.number(),
  stream: z.string(),
  version: z.number(),
  id: z.string(),
  type: z.string(),
  data: z.string(),
  tenant: z.string(),
  session: z.string().nullable(),
  correlation: z.string().nullable(),
  metadata: z.string(),
  time: z.number(),
});
const endLine = z.strictObject({
  kind: z.literal("end"),
  /** Of the last event. */
  ordinal: z.number(),
  /** Of the last record change. */
  change: z.number(),
  events: z.number(),
  /** Keys. A key may have several lines, of which the last counts. */
  records: z.number(),
  sha256: z.string(),
});
const line = z.discriminatedUnion("kind", [headLine, recordLine, eventLine, endLine]);

type ItemLine = z.infer<typeof recordLine> | z.infer<typeof eventLine>;

/** What a backup is and holds. */
export interface BackupSummary {
  readonly system: string;
  readonly id: string;
  readonly at: string;
  readonly events: number;
  readonly records: number;
  readonly ordinal: number;
  readonly change: number;
  readonly bytes: number;
  /** Over every byte before the end. */
  readonly sha256: string;
}

/** A backup as commands and the command line tell of it. */
export const describeBackup = (file: string, summary: BackupSummary): JsonObject => ({
  file,
  system: summary.system,
  at: summary.at,
  position: toPosition(summary.ordinal),
  events: summary.events,
  records: summary.records,
  bytes: summary.bytes,
  sha256: summary.sha256,
});

export interface BackupAbout {
  readonly system: string;
  readonly id: string;
  readonly at: string;
}

export interface WriteBackupOptions {
  readonly signal?: AbortSignal;
  /** Told after each page how many events are written, and how many there are where that is known. */
  onPage?(written: number, total: number | undefined): void;
  /** How much room there is in a folder, in bytes. */
  freeBytes?(folder: string): Promise<number>;
}

/**
 * Writes a snapshot beside the file's place and moves it there when it is whole and on the disk, so that no half of a backup is ever
 * found under its name. Throws `backup.exists`, `backup.not_writable`, `backup.no_space` and `backup.too_large`; then there is no file.
 */
export async function writeBackup(
  file: string,
  about: BackupAbout,
  pages: AsyncIterable<SnapshotPage>,
  options: WriteBackupOptions = {},
): Promise<BackupSummary> {
  const path = resolve(file);
  if (await isThere(path)) throw backupExists(path);
  const partial = `${path}.${about.id}.partial`;
  // Of an earlier try of the same work.
  await rm(partial, { force: true });
  const handle = await open(partial, "wx", 0o600).catch((error: unknown) => {
    throw notWritable(path, error);
  });
  try {
    const summary = await writeLines(handle, path, about, pages, options);
    await handle.sync();
    await handle.close();
    await rename(partial, path);
    await flushFolder(dirname(path));
    return summary;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw (error as NodeJS.ErrnoException).code === "ENOSPC" ? noSpace(path, error) : error;
  }
}

async function writeLines(
  handle: FileHandle,
  path: string,
  about: BackupAbout,
  pages: AsyncIterable<SnapshotPage>,
  { signal, onPage, freeBytes = freeBytesOf }: WriteBackupOptions,
): Promise<BackupSummary> {
  const hash = createHash("sha256");
  let bytes = 0;
  let lookAt = 0;
  const write = async (text: string): Promise<void> => {
    signal?.throwIfAborted();
    const chunk = Buffer.from(text);
    hash.update(chunk);
    bytes += chunk.byteLength;
    if (bytes > maxBackupBytes) throw tooLarge(path);
    if (bytes >= lookAt) {
      if ((await freeBytes(dirname(path))) < keptFreeBytes + chunk.byteLength) throw noSpace(path);
      lookAt = bytes + lookEveryBytes;
    }
    await handle.appendFile(chunk);
  };
  await write(`${JSON.stringify({ kind: "head", format, formatVersion, release, ...about })}\n`);
  let head: SnapshotHead | undefined;
  let events = 0;
  for await (const page of pages) {
    if (page.kind === "head") head = page.head;
    else await write(page.kind === "records" ? linesOf("record", page.records) : linesOf("event", page.events));
    if (page.kind === "events") events += page.events.length;
    onPage?.(events, head?.ordinal);
  }
  if (head === undefined) throw new ViableError("backup.incomplete", "The database did not say where its log stands.");
  const { ordinal, change, records } = head;
  const sha256 = hash.digest("hex");
  await handle.appendFile(`${JSON.stringify({ kind: "end", ordinal, change, events, records, sha256 })}\n`);
  const { size } = await handle.stat();
  return { ...about, ordinal, change, events, records, bytes: size, sha256 };
}

const linesOf = (kind: ItemLine["kind"], items: readonly (PlacedRecord | PlacedEvent)[]): string =>
  items.map((item) => `${JSON.stringify({ kind, ...item })}\n`).join("");

/** Reads a backup to its end and says what it holds. Throws `backup.not_found`, and `backup.damaged` where anything is not as written. */
export async function checkBackup(file: string, signal?: AbortSignal): Promise<BackupSummary> {
  const path = resolve(file);
  const lines = readBackupLines(path, signal);
  for (;;) {
    const next = await lines.next();
    if (next.done === true) return next.value;
  }
}

/**
 * What a checked backup holds, page by page. It is checked again on the way, so that one that was changed in between breaks off
 * (`backup.damaged`) before its end.
 */
export async function* readBackup(
  file: string,
  checked: BackupSummary,
  signal?: AbortSignal,
): AsyncGenerator<SnapshotPage> {
  const path = resolve(file);
  const { ordinal, change, records } = checked;
  const head: SnapshotPage = { kind: "head", head: { ordinal, change, records } };
  let waiting: ItemLine[] = [];
  let chars = 0;
  let kind: ItemLine["kind"] = "record";
  const lines = readBackupLines(path, signal);
  for (;;) {
    const next = await lines.next();
    const isNewKind = next.done !== true && next.value.kind !== kind;
    if (waiting.length >= pageItems || chars >= pageBytes || isNewKind || next.done === true) {
      yield toPage(kind, waiting);
      waiting = [];
      chars = 0;
    }
    if (kind === "record" && (isNewKind || next.done === true)) yield head;
    if (next.done === true) {
      if (next.value.sha256 !== checked.sha256) throw damaged(path, 0, "it was changed while it was read");
      return;
    }
    kind = next.value.kind;
    waiting.push(next.value);
    chars += charsOf(next.value);
  }
}

function toPage(kind: ItemLine["kind"], lines: readonly ItemLine[]): SnapshotPage {
  const items = lines.map(({ kind: _, ...item }) => item);
  return kind === "record"
    ? { kind: "records", records: items as PlacedRecord[] }
    : { kind: "events", events: items as PlacedEvent[] };
}

const charsOf = (item: ItemLine): number => (item.kind === "record" ? (item.value?.length ?? 0) : item.data.length);

/** Every record and event of a backup, in the order of its lines. Returns what it is when its end has turned out to be right. */
async function* readBackupLines(
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<ItemLine, BackupSummary> {
  const bytes = await sizeOf(path);
  const hash = createHash("sha256");
  let head: z.infer<typeof headLine> | undefined;
  let end: z.infer<typeof endLine> | undefined;
  let events = 0;
  let at = 0;
  for await (const text of readLines(path, signal)) {
    at += 1;
    if (end !== undefined) throw damaged(path, at, "there is more after its end");
    const found = parseLine(path, at, text);
    if (head === undefined) {
      if (found.kind !== "head") throw damaged(path, at, "it does not begin as a backup does");
      head = found;
    } else if (found.kind === "head") throw damaged(path, at, "it begins twice");
    if (found.kind === "end") {
      end = found;
      continue;
    }
    hash.update(text).update("\n");
    if (found.kind === "head") continue;
    if (found.kind === "record" && events > 0) throw damaged(path, at, "a record stands among the events");
    if (found.kind === "event" && found.ordinal !== ++events) throw damaged(path, at, `event ${events} is missing`);
    yield found;
  }
  if (head === undefined || end === undefined) throw damaged(path, at + 1, "its end is missing: it was cut off");
  const { ordinal, change, records, sha256 } = end;
  if (sha256 !== hash.digest("hex") || end.events !== events || ordinal !== events) {
    throw damaged(path, at, "its lines do not fit the checksum at its end");
  }
  return { system: head.system, id: head.id, at: head.at, events, records, ordinal, change, bytes, sha256 };
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch((error: unknown) => {
    throw new ViableError("backup.not_found", `There is no file ${path}.`, { next: "Check the path.", cause: error });
  });
  if (!found.isFile()) throw damaged(path, 0, "it is not a file");
  if (found.size > maxBackupBytes) throw damaged(path, 0, `it is larger than ${maxBackupBytes} bytes`);
  return found.size;
}

function parseLine(path: string, at: number, text: Buffer): z.infer<typeof line> {
  let value: unknown;
  try {
    value = JSON.parse(text.toString());
  } catch {
    throw damaged(path, at, "it is not JSON");
  }
  const found = line.safeParse(value);
  if (!found.success) throw damaged(path, at, "it is no line of a backup that this release can read");
  return found.data;
}

/** The lines of a file without their ends, each bounded. Throws `backup.damaged` where the last has none: it was cut off. */
async function* readLines(path: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const input = createReadStream(path, { highWaterMark: pageBytes, ...(signal !== undefined && { signal }) });
  let begun: Buffer[] = [];
  let begunBytes = 0;
  let at = 1;
  for await (const chunk of input as AsyncIterable<Buffer>) {
    let from = 0;
    for (let to = chunk.indexOf("\n"); to >= 0; to = chunk.indexOf("\n", from)) {
      begun.push(chunk.subarray(from, to));
      yield begun.length === 1 ? (begun[0] as Buffer) : Buffer.concat(begun);
      begun = [];
      begunBytes = 0;
      from = to + 1;
      at += 1;
    }
    begun.push(chunk.subarray(from));
    begunBytes += chunk.length - from;
    if (begunBytes > maxLineBytes) throw damaged(path, at, `it is longer than ${maxLineBytes} bytes`);
  }
  if (begunBytes > 0) throw damaged(path, at, "it was cut off");
}

/** The new name is on the disk too, where the file system lets a folder be flushed. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

export const isThere = async (path: string): Promise<boolean> =>
  await stat(path).then(
    () => true,
    () => false,
  );

export const backupExists = (path: string): ViableError =>
  new ViableError("backup.exists", `${path} is there already.`, { next: "Name another file; none is overwritten." });

const notWritable = (path: string, cause: unknown): ViableError =>
  new ViableError("backup.not_writable", `No file can be written in ${dirname(path)}.`, {
    next: "Name a file in a folder that exists and that may be written to.",
    cause,
  });

const noSpace = (path: string, cause?: unknown): ViableError =>
  new ViableError(
    "backup.no_space",
    `${dirname(path)} has no room for the backup and ${keptFreeBytes} bytes beside it.`,
    {
      next: "Make room on that disk; what was written of this backup is gone.",
      cause,
    },
  );

const tooLarge = (path: string): ViableError =>
  new ViableError("backup.too_large", `${path} would be larger than ${maxBackupBytes} bytes.`, {
    next: "Back the database up by its server's own tools, such as pg_basebackup.",
  });

const damaged = (path: string, at: number, reason: string): ViableError =>
  new ViableError("backup.damaged", `${path}${at > 0 ? `, line ${at}` : ""}: ${reason}.`, {
    next: "Nothing was restored. Take another backup.",
  });
