import type { Context } from "@viable/kernel";
import { findJsonProblem } from "@viable/kernel";
import { invalidEvent } from "./errors.ts";
import type { EventTypes } from "./event-types.ts";
import type { EventMetadata, StoredEvent, StreamAppend } from "./events.ts";
import { toPosition } from "./events.ts";
import type { AppendRequest } from "./log.ts";
import type { RecordWrite } from "./records.ts";
import type { RowWrite } from "./row-write.ts";
import type { EncodedAppend, EncodedEvent, EncodedRecordWrite, EncodedStreamAppend } from "./store.ts";

/** How large an append may be, in characters of JSON: a flush of several must fit a message to the database. */
export const maxAppendChars = 8 * 1024 * 1024;
/** Stream names and record keys are indexed; PostgreSQL's index rows hold 2,700 bytes, and nobody reads longer names. */
export const maxNameChars = 512;
/** How many streams, events and records one append may touch: it is one decision, not an import. */
export const maxAppendItems = 2_000;
/** How many rows may be written with an append, each a statement that the flush waits for: whoever writes more writes them in one. */
export const maxRowWrites = 1_000;

/** What of an append is taken in already. */
interface Taken {
  chars: number;
  items: number;
}

/** Checks a request and turns it into text and numbers. Throws `log.invalid_event`; then nothing was written. */
export function encodeAppend(
  ctx: Context,
  request: AppendRequest,
  types: EventTypes,
): { append: EncodedAppend; chars: number } {
  const taken: Taken = { chars: 0, items: 0 };
  const now = ctx.runtime.clock.now();
  checkName("tenant", ctx.tenant);
  const writes = request.streams ?? [];
  if (writes.length > 1) checkNamedOnce(writes);
  const streams = writes.map((write) => encodeStream(ctx, write, types, now, taken));
  const records = (request.records ?? []).map((write) => encodeRecord(write, taken));
  const rows = request.with ?? [];
  for (const row of rows) checkRow(row, taken);
  if (rows.length > maxRowWrites) throw invalidEvent({ path: "with", reason: `more than ${maxRowWrites} writes` });
  if (rows.length > 0 && taken.items === 0)
    throw invalidEvent({ path: "with", reason: "needs an event or a record, by which a repeat is recognised" });
  const append = { id: idOf(ctx, request, streams), streams, records };
  return { append: rows.length === 0 ? append : { ...append, with: rows }, chars: taken.chars };
}

function checkNamedOnce(writes: readonly StreamAppend[]): void {
  const named = new Set<string>();
  for (const { stream } of writes) {
    if (named.has(stream)) throw invalidEvent({ path: "stream", reason: `"${stream}" is named twice in one append` });
    named.add(stream);
  }
}

function encodeStream(
  ctx: Context,
  write: StreamAppend,
  types: EventTypes,
  now: number,
  taken: Taken,
): EncodedStreamAppend {
  takeItem(taken);
  checkName("stream", write.stream);
  if (write.session !== undefined) checkName("session", write.session);
  if (write.correlation !== undefined) checkName("correlation", write.correlation);
  const kept = metadataOf(ctx, write);
  const metadata = JSON.stringify(kept);
  return {
    stream: write.stream,
    expected: encodeExpected(write.expected, "stream", write.stream),
    events: write.events.map((event): EncodedEvent => {
      takeItem(taken);
      checkName("type", event.type);
      if (event.id !== undefined) checkName("id", event.id);
      const data = takeText(encodeJson(event.data, `${event.type}.data`), taken);
      const schemaVersion = types.check(event, data);
      return {
        id: event.id ?? ctx.runtime.ids.next("evt"),
        type: event.type,
        data,
        tenant: ctx.tenant,
        session: write.session ?? null,
        correlation: write.correlation ?? null,
        metadata: schemaVersion === 1 ? metadata : JSON.stringify({ ...kept, schemaVersion }),
        time: now,
      };
    }),
  };
}

function takeItem(taken: Taken): void {
  taken.items += 1;
  if (taken.items > maxAppendItems) throw invalidEvent({ path: "append", reason: `more than ${maxAppendItems} items` });
}

function takeText(text: string, taken: Taken): string {
  taken.chars += text.length;
  if (taken.chars > maxAppendChars)
    throw invalidEvent({ path: "append", reason: `larger than ${maxAppendChars} characters` });
  return text;
}

/** What the append is known by when it is sent again. */
function idOf(ctx: Context, request: AppendRequest, streams: EncodedAppend["streams"]): string {
  const first = streams.find((write) => write.events.length > 0)?.events[0];
  if (first !== undefined) return first.id;
  if (request.id !== undefined) checkName("id", request.id);
  return request.id ?? ctx.runtime.ids.next("apd");
}

function encodeRecord(write: RecordWrite, taken: Taken): EncodedRecordWrite {
  takeItem(taken);
  checkName("key", write.key);
  return {
    key: write.key,
    expected: encodeExpected(write.expected, "record", write.key),
    value: write.value === null ? null : takeText(encodeJson(write.value, `record ${write.key}`), taken),
    expiresAt: encodeExpiry(write),
  };
}

/** What is no number is in no order with the time: one store would never let it expire, another at once. */
function encodeExpiry({ key, expiresAt = null }: RecordWrite): number | null {
  if (expiresAt === null || Number.isFinite(expiresAt)) return expiresAt;
  throw invalidEvent({ path: `record ${key}.expiresAt`, reason: "must be a finite number of milliseconds, or null" });
}

function checkRow(row: RowWrite, taken: Taken): void {
  if ("apply" in row) return;
  for (const text of [row.sql, ...row.params]) {
    if (text === null) continue;
    takeText(text, taken);
    if (text.includes("\u0000") || !text.isWellFormed())
      throw invalidEvent({ path: "with", reason: "must be well-formed text without NUL" });
  }
}

/** A number that is no version must not pass for "any", nor for one that never comes. */
function encodeExpected(expected: number | "any", what: string, name: string): number {
  if (expected === "any") return -1;
  if (Number.isSafeInteger(expected) && expected >= 0) return expected;
  throw invalidEvent({ path: `${what} ${name}.expected`, reason: 'must be "any" or a version: a whole number from 0' });
}

function encodeJson(value: unknown, path: string): string {
  const problem = findJsonProblem(value, path);
  if (problem !== undefined) throw invalidEvent(problem);
  return JSON.stringify(value);
}

/** Names are text in an index: no NUL (PostgreSQL's text has none), no lone surrogates (not UTF-8), not too long. */
function checkName(what: string, name: string): void {
  if (name.length === 0 || name.length > maxNameChars || name.includes("\u0000") || !name.isWellFormed()) {
    throw invalidEvent({
      path: what,
      reason: `must be 1 to ${maxNameChars} characters of well-formed text without NUL`,
    });
  }
}

type KeptMetadata = Pick<EventMetadata, "actor" | "causation" | "traceparent" | "schemaVersion">;

function metadataOf(ctx: Context, write: StreamAppend): KeptMetadata {
  return {
    actor: ctx.principal,
    ...(write.causation !== undefined && { causation: write.causation }),
    ...(ctx.traceparent !== undefined && { traceparent: ctx.traceparent }),
  };
}

/** An encoded event with its place, as readers get it. */
export function decodeEvent(event: EncodedEvent, stream: string, version: number, ordinal: number): StoredEvent {
  return {
    id: event.id,
    stream,
    version,
    position: toPosition(ordinal),
    type: event.type,
    data: JSON.parse(event.data),
    metadata: {
      tenant: event.tenant,
      ...(event.session !== null && { session: event.session }),
      ...(event.correlation !== null && { correlation: event.correlation }),
      ...(JSON.parse(event.metadata) as KeptMetadata),
    },
    time: event.time,
  };
}
