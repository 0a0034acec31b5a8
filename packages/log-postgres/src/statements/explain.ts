import { maxPageBytes } from "@viable/log";
import { textArray } from "../array-literal.ts";
import type { Param, Row, Statement } from "../session.ts";
import { readLargeData, readLargeDataParams } from "./events.ts";
import { head } from "./head.ts";
import { readAll } from "./read-all.ts";
import { readStream, readStreams, readStreamsParams } from "./read-stream.ts";
import { getRecords, listRecords, readChanges, readChangesParams } from "./records.ts";
import { snapshotEvents, snapshotHead, snapshotRecords } from "./snapshot.ts";

/** Rows that a page holds unless told: what readers of the log ask for. */
const page = 1_000;

/** What is really in the log, to ask for: so that a plan is made, and run, for what is asked every day. */
export const sample: Statement = {
  name: "viable_explain_sample",
  text: `SELECT coalesce(e.position, 0) AS ordinal, p.change, e.stream, e.version, e.type, e.tenant, s.session, c.correlation, r.key
    FROM viable.log_partitions AS p
    LEFT JOIN LATERAL (SELECT * FROM viable.events WHERE partition = 1 ORDER BY position DESC LIMIT 1) AS e ON true
    LEFT JOIN LATERAL (
      SELECT session FROM viable.events WHERE partition = 1 AND session IS NOT NULL AND position > e.position - 10000 ORDER BY position DESC LIMIT 1
    ) AS s ON true
    LEFT JOIN LATERAL (
      SELECT correlation FROM viable.events
      WHERE partition = 1 AND correlation IS NOT NULL AND position > e.position - 10000 ORDER BY position DESC LIMIT 1
    ) AS c ON true
    LEFT JOIN LATERAL (SELECT key FROM viable.records ORDER BY change DESC LIMIT 1) AS r ON true
    WHERE p.id = 1`,
};

interface Query {
  readonly statement: Statement;
  readonly params: readonly Param[];
}

/**
 * The store's own statements that only read, by their names, asking for what a sample has found. What the log has none of stands for
 * itself as an empty text.
 */
export function explainable(found: Row): ReadonlyMap<string, Query> {
  const text = (column: string): string => String(found[column] ?? "");
  const [ordinal, change] = [Number(found.ordinal), Number(found.change)];
  const recent = String(Math.max(0, ordinal - page));
  const keyPrefix = text("key").replace(/[^/]*$/, "");
  const filters = [
    {},
    { tenant: text("tenant") },
    { session: text("session") },
    { correlation: text("correlation") },
    { streamPrefix: text("stream").slice(0, 4) || "x" },
    { types: [text("type").replace(/\..*/s, ".*")] },
  ];
  const queries: (Query | undefined)[] = [
    { statement: head, params: [] },
    readStream(text("stream"), 1, page, "forward"),
    readStream(text("stream"), Number(text("version") || 1), page, "backward"),
    {
      statement: readStreams,
      params: readStreamsParams([{ stream: text("stream"), fromVersion: 1 }], { events: page, bytes: maxPageBytes }),
    },
    { statement: readLargeData, params: readLargeDataParams([ordinal]) },
    ...filters.map((filter) => readAll(0, page, "forward", filter)),
    ...filters.map((filter) => readAll(ordinal + 1, page, "backward", filter)),
    { statement: getRecords, params: [textArray([text("key")]), "0"] },
    listRecords(keyPrefix, "", page, 0),
    { statement: readChanges, params: readChangesParams(Math.max(0, change - page), page, [keyPrefix]) },
    { statement: snapshotRecords, params: ["0"] },
    { statement: snapshotEvents, params: [recent, String(ordinal)] },
    { statement: snapshotHead, params: [] },
  ];
  return new Map(queries.flatMap((query) => (query === undefined ? [] : [[query.statement.name, query]])));
}

/** What the catalogue knows of tables, given two lists of schemas and names. */
export const describeRelations: Statement = {
  name: "viable_describe_relations",
  text: `SELECT n.nspname AS schema, c.relname AS name, c.reltuples::double precision AS rows,
      pg_table_size(c.oid)::double precision AS bytes,
      (SELECT coalesce(json_agg(DISTINCT s.attname), '[]') FROM pg_stats AS s
        WHERE s.schemaname = n.nspname AND s.tablename = c.relname)::text AS statistics,
      (SELECT coalesce(json_agg(json_build_object(
          'name', ic.relname,
          'columns', (
            SELECT json_agg(a.attname ORDER BY k.nr) FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, nr)
            LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum <> 0
            WHERE k.nr <= i.indnkeyatts
          ),
          'isPartial', i.indpred IS NOT NULL,
          'definition', pg_get_indexdef(i.indexrelid)
        ) ORDER BY ic.relname), '[]')
        FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisvalid)::text AS indexes
    FROM unnest($1::text[], $2::text[]) AS wanted (schema, name)
    JOIN pg_namespace AS n ON n.nspname = wanted.schema
    JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = wanted.name
    ORDER BY n.nspname, c.relname`,
};
