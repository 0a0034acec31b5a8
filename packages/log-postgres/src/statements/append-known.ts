import type { CommitOutcome, CommitResult, EncodedAppend } from "@viable/log";
import { jsonTexts, numberArray, textArray } from "../array-literal.ts";
import type { Param, Statement } from "../session.ts";
import { lastOrdinal } from "./head.ts";

/**
 * The shortest way, for a process that was the last to write: it knows what it wrote, and so the versions of its streams. As long as
 * the log ends where it left it, and this is the very connection that it was told on, nothing need be looked up.
 *
 * Nobody is waited for: whoever holds the lock (migration 5) is about to append. What the statement sees is as of its beginning, before the
 * lock; where another has appended in that moment, the primary key refuses the positions. Versions are the caller's; where one is
 * wrong all the same, because a stream that it takes for new is there, or an event was appended before, a unique index refuses.
 */
const condition = `WHERE current_setting('viable.connection', true) = $1::text
    AND (SELECT pg_try_advisory_xact_lock(728360441, 1))
    AND ${lastOrdinal} = $2::bigint`;

const columnNames = "stream, version, id, type, tenant, session, correlation, data, metadata, time";

const appendKnown: Statement = {
  name: "viable_append_known",
  text: `INSERT INTO viable.events (position, ${columnNames})
    SELECT $2::bigint + e.nr, ${columnNames}
    FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
      string_to_array($10::text, E'\\x1f'), string_to_array($11::text, E'\\x1f'), $12::double precision[])
      WITH ORDINALITY AS e (${columnNames}, nr)
    ${condition}`,
};

/** The same for a batch of one event, which is all that a single writer ever sends: without any array. */
const appendKnownEvent: Statement = {
  name: "viable_append_known_event",
  text: `INSERT INTO viable.events (position, ${columnNames})
    SELECT $2::bigint + 1, $3::text, $4::bigint, $5::text, $6::text, $7::text, $8::text, $9::text, $10::text, $11::text,
      $12::double precision
    ${condition}`,
};

/** What appends a batch; `versions` are those before, one for each stream of the batch in its order. */
export function appendKnownTo(
  batch: readonly EncodedAppend[],
  versions: readonly number[],
  connection: string,
  ordinal: number,
): { readonly statement: Statement; readonly params: Param[] } {
  const columns = {
    stream: [] as string[],
    version: [] as number[],
    id: [] as string[],
    type: [] as string[],
    tenant: [] as string[],
    session: [] as (string | null)[],
    correlation: [] as (string | null)[],
    data: [] as string[],
    metadata: [] as string[],
    time: [] as number[],
  };
  let at = 0;
  for (const append of batch) {
    for (const { stream, events } of append.streams) {
      let version = versions[at++] as number;
      for (let index = 0; index < events.length; index++) {
        const event = events[index] as (typeof events)[number];
        columns.stream.push(stream);
        columns.version.push(++version);
        columns.id.push(event.id);
        columns.type.push(event.type);
        columns.tenant.push(event.tenant);
        columns.session.push(event.session);
        columns.correlation.push(event.correlation);
        columns.data.push(event.data);
        columns.metadata.push(event.metadata);
        columns.time.push(event.time);
      }
    }
  }
  const where = [connection, String(ordinal)];
  if (columns.id.length === 1) {
    const event = Object.values(columns).map(([only]) => (typeof only === "number" ? String(only) : (only ?? null)));
    return { statement: appendKnownEvent, params: [...where, ...event] };
  }
  return {
    statement: appendKnown,
    params: [
      ...where,
      textArray(columns.stream),
      numberArray(columns.version),
      textArray(columns.id),
      textArray(columns.type),
      textArray(columns.tenant),
      textArray(columns.session),
      textArray(columns.correlation),
      jsonTexts(columns.data),
      jsonTexts(columns.metadata),
      numberArray(columns.time),
    ],
  };
}

/** What came of it, where it has written; `before` is the ordinal before. */
export function toKnownResult(
  batch: readonly EncodedAppend[],
  versions: readonly number[],
  before: number,
): CommitResult {
  let ordinal = before + 1;
  let at = 0;
  const outcomes = batch.map((append): CommitOutcome => {
    const firstOrdinal = ordinal;
    const firstVersions = append.streams.map((write) => {
      ordinal += write.events.length;
      return (versions[at++] as number) + 1;
    });
    return { kind: "appended", firstOrdinal, firstVersions, recordVersions: [], repeated: false };
  });
  return { outcomes };
}
