import type { PlacedEvent, PlacedRecord } from "@viable/log";
import type { Row, Statement } from "../session.ts";
import { eventColumns } from "./events.ts";
import { lastOrdinal } from "./head.ts";

/** A page of a snapshot: few enough rows to be read between two commits, and one that is larger than its bytes comes alone. */
export const pageRows = 500;
const pageBytes = 256 * 1024;

/** Records in the order of their last changes, after one, each with the last change that there was when it was read. */
export const snapshotRecords: Statement = {
  name: "viable_snapshot_records",
  text: `SELECT change, key, value, version, expires_at, changed_at, written_by, last_change FROM (
      SELECT r.*, p.change AS last_change,
        sum(coalesce(octet_length(r.value), 0)) OVER (ORDER BY r.change) - coalesce(octet_length(r.value), 0) AS bytes_before
      FROM (SELECT * FROM viable.records WHERE change > $1::bigint ORDER BY change LIMIT ${pageRows}) AS r
      CROSS JOIN (SELECT change FROM viable.log_partitions WHERE id = 1) AS p
    ) AS page WHERE bytes_before < ${pageBytes} ORDER BY change`,
};

/** Events in the order of their positions, after one and up to one. */
export const snapshotEvents: Statement = {
  name: "viable_snapshot_events",
  text: `SELECT ${eventColumns} FROM (
      SELECT e.*, sum(octet_length(e.data) + octet_length(e.metadata)) OVER (ORDER BY e.position)
        - octet_length(e.data) - octet_length(e.metadata) AS bytes_before
      FROM (
        SELECT * FROM viable.events WHERE partition = 1 AND position > $1::bigint AND position <= $2::bigint ORDER BY position LIMIT ${pageRows}
      ) AS e
    ) AS page WHERE bytes_before < ${pageBytes} ORDER BY position`,
};

export const snapshotHead: Statement = {
  name: "viable_snapshot_head",
  text: `SELECT ${lastOrdinal} AS ordinal, change, (SELECT count(*) FROM viable.records) AS records
    FROM viable.log_partitions WHERE id = 1`,
};

export function toPlacedEvent(row: Row): PlacedEvent {
  return {
    ordinal: Number(row.position),
    stream: row.stream as string,
    version: Number(row.version),
    id: row.id as string,
    type: row.type as string,
    data: row.data as string,
    tenant: row.tenant as string,
    session: row.session as string | null,
    correlation: row.correlation as string | null,
    metadata: row.metadata as string,
    time: row.time as number,
  };
}

export function toPlacedRecord(row: Row): PlacedRecord {
  return {
    key: row.key as string,
    value: row.value as string | null,
    version: Number(row.version),
    expiresAt: row.expires_at as number | null,
    change: Number(row.change),
    changedAt: row.changed_at as number,
    writtenBy: row.written_by as string | null,
  };
}
