import type { EncodedRecordChange, RecordChangePage, RecordPage, StoredRecord } from "@viable/log";
import { maxPageBytes } from "@viable/log";
import { textArray } from "../array-literal.ts";
import type { Param, Row, Statement } from "../session.ts";
import { afterPrefix } from "../text.ts";

const recordColumns = "key, value, version, expires_at";
const isLive = (now: string) => `value IS NOT NULL AND (expires_at IS NULL OR expires_at > ${now}::double precision)`;

export const getRecords: Statement = {
  name: "viable_get_records",
  text: `SELECT ${recordColumns} FROM viable.records WHERE key = ANY ($1::text[]) AND ${isLive("$2")}`,
};

const changeColumns = `change, ${recordColumns}`;

/**
 * Columns of the rows of a query, up to the row that reaches the bytes of a page. How long a text is stands beside it, so that what is beyond
 * them is not read. Nor is it counted: where what was read holds so many bytes, something may follow.
 */
const upToPageBytes = (columns: string, rows: string, order: "key" | "change"): string => `SELECT ${columns} FROM (
      SELECT *, sum(octet_length(value)) OVER (ORDER BY ${order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
      FROM (${rows}) AS asked
    ) AS summed WHERE coalesce(bytes_before, 0) < ${maxPageBytes} ORDER BY ${order}`;

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
  const rows = `SELECT ${recordColumns} FROM viable.records
        WHERE key >= $1::text AND key > $2::text${end === undefined ? "" : " AND key < $5::text"} AND ${isLive("$4")}
        ORDER BY key LIMIT $3::bigint`;
  return {
    statement: {
      name: end === undefined ? "viable_list_records_to_end" : "viable_list_records",
      text: upToPageBytes(recordColumns, rows, "key"),
    },
    params,
  };
}

const changedRows = `SELECT ${changeColumns} FROM viable.records
        WHERE change > $1::bigint AND key ^@ ANY ($3::text[]) ORDER BY change LIMIT $2::bigint`;

/** Changes of the keys that begin with one of some prefixes, and how far the log is: one row without a key where there are none. */
export const readChanges: Statement = {
  name: "viable_read_changes",
  text: `SELECT log.change AS last_change, page.* FROM viable.log_partitions AS log
    LEFT JOIN (${upToPageBytes(changeColumns, changedRows, "change")}) AS page ON true
    WHERE log.id = 1 ORDER BY page.change`,
};

export const readChangesParams = (after: number, limit: number, prefixes: readonly string[]): Param[] => [
  String(after),
  String(limit),
  textArray(prefixes),
];

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

export const toRecordPage = (rows: readonly Row[], limit: number): RecordPage => ({
  records: rows.map(toRecord),
  isEnd: isEnd(rows, limit),
});

export function toRecordChangePage(rows: readonly Row[], limit: number): RecordChangePage {
  const found = rows.filter((row) => row.key !== null);
  return {
    changes: found.map(toRecordChange),
    isEnd: isEnd(found, limit),
    lastChange: Number(rows[0]?.last_change),
  };
}

function isEnd(rows: readonly Row[], limit: number): boolean {
  const bytes = rows.reduce((sum, { value }) => sum + Buffer.byteLength((value as string | null) ?? ""), 0);
  return rows.length < limit && bytes < maxPageBytes;
}

function toRecordChange(row: Row): EncodedRecordChange {
  return {
    change: Number(row.change),
    key: row.key as string,
    value: row.value as string | null,
    version: Number(row.version),
    expiresAt: row.expires_at as number | null,
  };
}
