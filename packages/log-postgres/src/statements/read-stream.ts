import type { LogPage, StreamFrom, StreamPageLimits } from "@viable/log";
import { toStreamPages } from "@viable/log";
import { numberArray, textArray } from "../array-literal.ts";
import type { Param, Row, Statement } from "../session.ts";
import { canBeStored } from "../text.ts";
import { eventColumns, pageColumns, toEvent } from "./events.ts";

/** Events of a stream from a version on, upwards or downwards. */
export function readStream(
  stream: string,
  fromVersion: number,
  limit: number,
  direction: "forward" | "backward",
): { statement: Statement; params: Param[] } {
  const { columns, suffix } = pageColumns(limit);
  const [comparison, order] = direction === "forward" ? [">=", "ASC"] : ["<=", "DESC"];
  const text = `SELECT ${columns} FROM viable.events
    WHERE stream = $1::text AND version ${comparison} $2::bigint ORDER BY version ${order} LIMIT $3::bigint`;
  const name = `viable_read_stream_${direction}${suffix}`;
  return { statement: { name, text }, params: [stream, String(fromVersion), String(limit)] };
}

/**
 * A stretch of the index for each stream. How long an event's data is stands beside it, so that what is beyond the bytes is counted, and not
 * read; that something was left out shows by the count.
 */
export const readStreams: Statement = {
  name: "viable_read_streams",
  text: `SELECT at, found, ${eventColumns} FROM (
      SELECT asked.nr AS at, e.*, count(*) OVER () AS found,
        sum(octet_length(e.data)) OVER (ORDER BY asked.nr, e.version) - octet_length(e.data) AS bytes_before
      FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS asked (stream, from_version, nr)
      CROSS JOIN LATERAL (
        SELECT ${eventColumns} FROM viable.events
        WHERE stream = asked.stream AND version >= asked.from_version ORDER BY version LIMIT $3::bigint
      ) AS e
    ) AS counted
    WHERE bytes_before < $4::bigint ORDER BY at, version`,
};

/** A name that cannot be in the database is asked for as NULL, which is no stream's. */
export function readStreamsParams(from: readonly StreamFrom[], { events, bytes }: StreamPageLimits): Param[] {
  const names = from.map(({ stream }) => (canBeStored(stream) ? stream : null));
  return [textArray(names), numberArray(from.map(({ fromVersion }) => fromVersion)), String(events), String(bytes)];
}

export function toPages(rows: readonly Row[], streams: number, { events }: StreamPageLimits): LogPage[] {
  const found = rows.map((row) => ({ at: Number(row.at) - 1, event: toEvent(row) }));
  return toStreamPages(streams, found, events, Number(rows[0]?.found ?? 0) > rows.length);
}
