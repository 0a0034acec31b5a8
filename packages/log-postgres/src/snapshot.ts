import type { PlacedRecord, SnapshotHead, SnapshotPage } from "@viable/log";
import { unavailable } from "./errors.ts";
import type { PgliteSession } from "./pglite-session.ts";
import type { Connection, Param, Row, Statement } from "./session.ts";
import {
  pageRows,
  snapshotEvents,
  snapshotHead,
  snapshotRecords,
  toPlacedEvent,
  toPlacedRecord,
} from "./statements/snapshot.ts";

// Events never change, so those up to a position can be read at any time after it. Records do change: how they are read at one moment
// is what the two ways below differ in.

type Read = (statement: Statement, params: readonly Param[]) => Promise<Row[]>;

/** How long the reader may take for a page of records, in milliseconds: until then the server can clear away no row that it keeps. */
const maxIdleMs = 60_000;

/**
 * A snapshot over a connection of its own: records and head in one transaction that sees one moment and blocks nobody. It ends with the
 * last record, since the server keeps for it every version of every row that is written meanwhile; events are read after it.
 */
export async function* snapshotOver(connection: Connection): AsyncGenerator<SnapshotPage> {
  const read = readOver(connection);
  await connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  await connection.script(`SET LOCAL idle_in_transaction_session_timeout = ${maxIdleMs}`);
  for (let after = 0; ; ) {
    const page = await readRecords(read, after);
    if (page.records.length === 0) break;
    yield { kind: "records", records: page.records };
    after = page.upTo;
  }
  const head = await readHead(read);
  await connection.script("COMMIT");
  yield { kind: "head", head };
  yield* readEvents(read, head.ordinal);
}

/** Pages that are read while commits are held up, at most: 64 MiB, and a second or two. */
const maxHeldPages = 256;

/**
 * A snapshot of the embedded database, whose one connection can keep no transaction open while others commit. So records are read in
 * the order of their changes, page by page between commits. One that is written after it was read has a later change, and comes
 * again. That goes on in rounds for as long as each leaves far less than it has read. Then commits are held up to read the rest (mostly
 * nothing) and the head: together with it, what was read last of each record is what it is now. Nothing may be purged meanwhile.
 */
export async function* snapshotBetweenCommits(session: PgliteSession): AsyncGenerator<SnapshotPage> {
  const read: Read = (statement, params) => session.read(statement, params);
  let after = 0;
  let rows: number;
  let left: number;
  do {
    rows = 0;
    let until: number | undefined;
    do {
      const page = await readRecords(read, after);
      if (page.records.length > 0) yield { kind: "records", records: page.records };
      rows += page.records.length;
      after = page.upTo;
      until ??= page.lastChange;
      left = page.lastChange - after;
    } while (left > 0 && after < until);
    // Whoever writes as fast as this reads is never caught up with: then another round would only leave more.
  } while (left > pageRows && left < rows / 2);
  const { pages, head } = await session.exclusively(async (connection) => await readRest(readOver(connection), after));
  for (const records of pages) yield { kind: "records", records };
  yield { kind: "head", head };
  yield* readEvents(read, head.ordinal);
}

async function readRest(
  read: Read,
  from: number,
): Promise<{ pages: readonly (readonly PlacedRecord[])[]; head: SnapshotHead }> {
  const pages: (readonly PlacedRecord[])[] = [];
  for (let after = from; ; ) {
    const page = await readRecords(read, after);
    if (page.records.length === 0) break;
    if (pages.length === maxHeldPages) throw unavailable("Records change faster than they can be copied.");
    pages.push(page.records);
    after = page.upTo;
  }
  return { pages, head: await readHead(read) };
}

async function readRecords(
  read: Read,
  after: number,
): Promise<{ records: readonly PlacedRecord[]; upTo: number; lastChange: number }> {
  const rows = await read(snapshotRecords, [String(after)]);
  return {
    records: rows.map(toPlacedRecord),
    upTo: Number(rows.at(-1)?.change ?? after),
    lastChange: Number(rows.at(-1)?.last_change ?? after),
  };
}

async function readHead(read: Read): Promise<SnapshotHead> {
  const [row] = await read(snapshotHead, []);
  return { ordinal: Number(row?.ordinal), change: Number(row?.change), records: Number(row?.records) };
}

async function* readEvents(read: Read, upTo: number): AsyncGenerator<SnapshotPage> {
  for (let after = 0; after < upTo; ) {
    const events = (await read(snapshotEvents, [String(after), String(upTo)])).map(toPlacedEvent);
    if (events.length === 0) throw unavailable(`Event ${after + 1} cannot be read, though there are ${upTo}.`);
    yield { kind: "events", events };
    after = events.at(-1)?.ordinal ?? upTo;
  }
}

const readOver =
  (connection: Connection): Read =>
  (statement, params) =>
    connection.query(statement.text, params);
