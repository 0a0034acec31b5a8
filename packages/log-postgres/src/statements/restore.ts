import type { PlacedEvent, PlacedRecord } from "@viable/log";
import { jsonTexts, numberArray, textArray } from "../array-literal.ts";
import type { Param, Statement } from "../session.ts";

export const restoreEvents: Statement = {
  name: "viable_restore_events",
  text: `INSERT INTO viable.events (position, stream, version, id, type, tenant, session, correlation, data, metadata, time)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
      string_to_array($9::text, E'\\x1f'), string_to_array($10::text, E'\\x1f'), $11::double precision[])`,
};

export const restoreEventsParams = (events: readonly PlacedEvent[]): Param[] => [
  numberArray(events.map((event) => event.ordinal)),
  textArray(events.map((event) => event.stream)),
  numberArray(events.map((event) => event.version)),
  textArray(events.map((event) => event.id)),
  textArray(events.map((event) => event.type)),
  textArray(events.map((event) => event.tenant)),
  textArray(events.map((event) => event.session)),
  textArray(events.map((event) => event.correlation)),
  jsonTexts(events.map((event) => event.data)),
  jsonTexts(events.map((event) => event.metadata)),
  numberArray(events.map((event) => event.time)),
];

/** A record that comes again takes the place of what it was. */
export const restoreRecords: Statement = {
  name: "viable_restore_records",
  text: `INSERT INTO viable.records (key, value, version, expires_at, change, changed_at, written_by)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::double precision[], $5::bigint[], $6::double precision[],
      $7::text[])
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at,
      change = excluded.change, changed_at = excluded.changed_at, written_by = excluded.written_by`,
};

export function restoreRecordsParams(records: readonly PlacedRecord[]): Param[] {
  // One statement may write a row once.
  const last = [...new Map(records.map((record) => [record.key, record])).values()];
  return [
    textArray(last.map((record) => record.key)),
    textArray(last.map((record) => record.value)),
    numberArray(last.map((record) => record.version)),
    numberArray(last.map((record) => record.expiresAt)),
    numberArray(last.map((record) => record.change)),
    numberArray(last.map((record) => record.changedAt)),
    textArray(last.map((record) => record.writtenBy)),
  ];
}

export const restoreHead: Statement = {
  name: "viable_restore_head",
  text: "UPDATE viable.log_partitions SET change = $1::bigint WHERE id = 1",
};

/** What is really there after all was written. */
export const restoredCounts: Statement = {
  name: "viable_restored_counts",
  text: `SELECT (SELECT count(*) FROM viable.events) AS events, (SELECT count(*) FROM viable.records) AS records,
    (SELECT coalesce(max(position), 0) FROM viable.events) AS ordinal`,
};
