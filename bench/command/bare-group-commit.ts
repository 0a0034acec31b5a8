import type { Execute } from "../harness/bare-database.ts";
import type { EventSample } from "./two-events.ts";

/** Our table of events with our indexes. */
export const bareSchema = `
CREATE TABLE events (
  position bigint NOT NULL,
  stream text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  session text COLLATE "C",
  correlation text COLLATE "C",
  data text NOT NULL,
  metadata text NOT NULL,
  time double precision NOT NULL,
  partition smallint NOT NULL DEFAULT 1,
  PRIMARY KEY (partition, position)
);
CREATE UNIQUE INDEX events_by_stream ON events (stream, version);
CREATE UNIQUE INDEX events_by_id ON events (id);
CREATE INDEX events_by_session ON events (session, position) WHERE session IS NOT NULL;
`;

const columns = "position, stream, version, id, type, tenant, session, correlation, data, metadata, time";
/** JSON texts are joined by a character that they cannot hold, as ours are: quoting them costs a sixth of the throughput. */
const insertMany = `INSERT INTO events (${columns})
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
  string_to_array($9::text, E'\\x1f'), string_to_array($10::text, E'\\x1f'), $11::double precision[])`;
/** Arrays of one cost more than the rest of its insertion. */
const insertOne = `INSERT INTO events (${columns}) VALUES ($1::bigint, $2::text, $3::bigint, $4::text, $5::text, $6::text, $7::text,
  $8::text, $9::text, $10::text, $11::double precision)`;
/** The columns of data and metadata in a row. */
const jsonColumns = new Set([8, 9]);

type Row = readonly (string | number | null)[];

/**
 * The least that makes events durable together: what arrives while an INSERT is under way travels in the next. No expected
 * versions, no repeats recognised, no bounds, nobody told.
 */
export function createBareGroupCommit(
  execute: Execute,
  nextId: (kind: "evt") => string,
  /** Where the table ends already. */
  lastPosition = 0,
) {
  let position = lastPosition;
  let waiting: { readonly row: Row; resolve(): void; reject(error: unknown): void }[] = [];
  let flushing = false;

  const flush = async () => {
    flushing = true;
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        const rows = batch.map(({ row }) => row);
        const [only] = rows;
        await (rows.length === 1 && only !== undefined
          ? execute(insertOne, only.map(toParam))
          : execute(insertMany, toColumns(rows)));
        for (const each of batch) each.resolve();
      } catch (error) {
        for (const each of batch) each.reject(error);
      }
    }
    flushing = false;
  };

  return (sample: EventSample, executionId: string, version: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const { streamPrefix, type, tenant, session, correlated, data, metadata } = sample;
      const stream = streamPrefix + executionId;
      const correlation = correlated ? executionId : null;
      const id = nextId("evt");
      const row = [++position, stream, version, id, type, tenant, session, correlation, data, metadata, Date.now()];
      waiting.push({ row, resolve, reject });
      if (!flushing) void flush();
    });
}

/** Rows as one array literal for each column, or as its texts joined. */
function toColumns(rows: readonly Row[]): string[] {
  return Array.from({ length: rows[0]?.length ?? 0 }, (_, column) => {
    if (jsonColumns.has(column)) return rows.map((row) => row[column]).join("\u001f");
    const items = rows.map((row) => toItem(row[column] ?? null));
    return `{${items.join(",")}}`;
  });
}

const toParam = (value: string | number | null): string | null => (value === null ? null : String(value));

const toItem = (value: string | number | null): string | number =>
  value === null ? "NULL" : typeof value === "number" ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
