import type { LogPage, StoredEvent } from "@viable/log";
import { unavailable } from "./errors.ts";
import type { Param, Row, Statement } from "./session.ts";
import { readLargeData, readLargeDataParams, toEvent } from "./statements/events.ts";

/**
 * Reads a page of events, of whose rows the large ones come without their data (`pageColumns`). Most pages have none: they are one statement
 * that costs what it always did. For the others what is missing is asked for, and the page ends before the first that does not fit. `limit` is
 * how many rows the statement asks for at most.
 */
export async function readPage(
  read: (statement: Statement, params: readonly Param[]) => Promise<Row[]>,
  query: { readonly statement: Statement; readonly params: readonly Param[] },
  limit: number,
): Promise<LogPage> {
  const rows = await read(query.statement, query.params);
  const large = rows.filter((row) => row.data === null);
  if (large.length === 0) return { events: rows.map(toEvent), isEnd: rows.length < limit };
  const found = await read(readLargeData, readLargeDataParams(large.map((row) => Number(row.position))));
  // By their ids: another database may have taken the place of this one in between, and have others at the same positions.
  const dataOf = new Map(found.map((row) => [row.id, row.data]));
  const events: StoredEvent[] = [];
  for (const row of rows) {
    const data = row.data ?? dataOf.get(row.id);
    if (data === undefined) break;
    events.push(toEvent({ ...row, data }));
  }
  // Who was told of no event, and of others that follow, would ask the same for ever.
  if (events.length === 0) throw unavailable(`Event ${rows[0]?.id} was there a moment ago, and is not any more.`);
  return { events, isEnd: events.length === rows.length && rows.length < limit };
}
