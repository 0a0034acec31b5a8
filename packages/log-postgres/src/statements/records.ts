import type { EncodedRecordChange, StoredRecord } from "@viable/log";
import type { Param, Row, Statement } from "../session.ts";
import { afterPrefix } from "../text.ts";

const recordColumns = "key, value, version, expires_at";
const isLive = (now: string) => `value IS NOT NULL AND (expires_at IS NULL OR expires_at > ${now}::double precision)`;

export const getRecords: Statement = {
  name: "viable_get_records",
  text: `SELECT ${recordColumns} FROM viable.records WHERE key = ANY ($1::text[]) AND ${isLive("$2")}`,
};

/** Records by prefix: a range of the index, without an end where the prefix has no successor. */
export function listRecords(
  prefix: string,
  after: string,
  limit: number,
  now: number,
): { statement: Statement; params: Param[] } {
  const end = afterPrefix(prefix);
  const params: Param[] = [prefix, after, String(limit), String(now)];
  if (end !== undefined) params.push(end);
  return {
    statement: {
      name: end === undefined ? "viable_list_records_to_end" : "viable_list_records",
      text: `SELECT ${recordColumns} FROM viable.records
        WHERE key >= $1::text AND key > $2::text${end === undefined ? "" : " AND key < $5::text"} AND ${isLive("$4")}
        ORDER BY key LIMIT $3::bigint`,
    },
    params,
  };
}

export const readChanges: Statement = {
  name: "viable_read_changes",
  text: `SELECT change, ${recordColumns} FROM viable.records
    WHERE change > $1::bigint ORDER BY change LIMIT $2::bigint`,
};

/**
 * Rows are locked before they go, and looked at again under the lock: a record that is written at this moment stays. Those
 * that a commit holds are left for the next time, so that nobody waits.
 */
export const purgeRecords: Statement = {
  name: "viable_purge_records",
  text: `WITH gone AS (
      SELECT key FROM viable.records
      WHERE (value IS NULL OR expires_at IS NOT NULL)
        AND (CASE WHEN value IS NULL THEN changed_at ELSE expires_at END) < $1::double precision
      LIMIT $2::bigint FOR UPDATE SKIP LOCKED
    ), purged AS (
      DELETE FROM viable.records WHERE key IN (SELECT key FROM gone) RETURNING 1
    ) SELECT count(*) AS purged FROM purged`,
};

export function toRecord(row: Row): StoredRecord {
  return {
    key: row.key as string,
    value: JSON.parse(row.value as string),
    version: Number(row.version),
    expiresAt: row.expires_at as number | null,
  };
}

export function toRecordChange(row: Row): EncodedRecordChange {
  return {
    change: Number(row.change),
    key: row.key as string,
    value: row.value as string | null,
    version: Number(row.version),
    expiresAt: row.expires_at as number | null,
  };
}
