import type { StoredEvent } from "@viable/log";
import { decodeEvent, maxPageBytes } from "@viable/log";
import { numberArray } from "../array-literal.ts";
import type { Param, Row, Statement } from "../session.ts";

/** The columns an event is read back from. */
export const eventColumns = "position, stream, version, id, type, tenant, session, correlation, data, metadata, time";

/** Of the bytes of a page one half is for events that are small for their number, the other for those that are not. */
const halfPageBytes = maxPageBytes / 2;
/** What readers of the log ask for unless told. */
const usualEvents = 1_000;

/**
 * The same for a page of so many events at most: without the data of those that are large enough to make it too large if all were. How long
 * a text is stands beside it, so that what is left out is not read. `suffix` tells the statement's name from that for another number.
 *
 * Not by a running sum, which costs a page of small events a quarter more; nor by a parameter, which costs one event a twelfth more.
 */
export function pageColumns(limit: number): { readonly columns: string; readonly suffix: string } {
  // One is whole, however large.
  if (limit <= 1) return { columns: eventColumns, suffix: "_one" };
  const events = 10 ** Math.ceil(Math.log10(limit));
  const small = `octet_length(data) <= ${Math.floor(halfPageBytes / events)}`;
  const columns = eventColumns.replace("data,", `CASE WHEN ${small} THEN data END AS data,`);
  return { columns, suffix: events === usualEvents ? "" : `_${events}` };
}

/** The data of events at some positions, in that order: up to the one that goes beyond the bytes. The limit keeps each a look into the index. */
export const readLargeData: Statement = {
  name: "viable_read_large_data",
  text: `SELECT id, data FROM (
      SELECT asked.nr, e.id, e.data, sum(octet_length(e.data)) OVER (ORDER BY asked.nr) - octet_length(e.data) AS bytes_before
      FROM unnest($1::bigint[]) WITH ORDINALITY AS asked (position, nr)
      CROSS JOIN LATERAL (SELECT id, data FROM viable.events WHERE partition = 1 AND position = asked.position LIMIT 1) AS e
    ) AS page WHERE bytes_before < ${halfPageBytes} ORDER BY nr`,
};

export const readLargeDataParams = (ordinals: readonly number[]): Param[] => [numberArray(ordinals)];

export function toEvent(row: Row): StoredEvent {
  return decodeEvent(
    {
      id: row.id as string,
      type: row.type as string,
      data: row.data as string,
      tenant: row.tenant as string,
      session: row.session as string | null,
      correlation: row.correlation as string | null,
      metadata: row.metadata as string,
      time: row.time as number,
    },
    row.stream as string,
    Number(row.version),
    Number(row.position),
  );
}
