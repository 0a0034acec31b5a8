import { createRuntime, rootContext } from "@viable/kernel";
import { createLog } from "@viable/log";
import { createPostgresStore } from "@viable/log-postgres";
import type { BareClient } from "../harness/bare-database.ts";
import { dataInSql, typeInSql } from "./sample-events.ts";

/** How many events a stream has that was filled in. */
export const eventsPerStream = 10;
/** How many streams grow at the same time: an execution's events stand between those of others, and not far apart. */
const streamsAtOnce = 100;
/** Rows that one statement writes: enough to be quick, few enough to be a checkpoint's business. */
const chunkEvents = 1_000_000;

/** Sizes must be a multiple of it, so that no stream is left short. */
const blockEvents = eventsPerStream * streamsAtOnce;

/** The name of the stream with this number, from 0. */
export const filledStream = (stream: number): string => `filled:${String(stream).padStart(12, "0")}`;

const stream = `'filled:' || lpad(((p - 1) / ${blockEvents} * ${streamsAtOnce} + (p - 1) % ${streamsAtOnce})::text, 12, '0')`;
const version = `(p - 1) % ${blockEvents} / ${streamsAtOnce} + 1`;

/** Makes our tables, empty, as whoever opens a log first makes them. */
export async function makeViable(connectionString: string): Promise<void> {
  const runtime = createRuntime();
  const log = createLog(createPostgresStore({ connectionString }), runtime);
  await log.start(rootContext(runtime));
  await log.stop(rootContext(runtime));
}

/**
 * Brings our log from one size to another as if it had been appended: positions and versions without gaps, ids that sort by their age
 * and before those of today.
 */
export async function fillViable(client: BareClient, from: number, to: number): Promise<void> {
  await inChunks(from, to, async (first, last) => {
    await client.query(`
      INSERT INTO viable.events (position, stream, version, id, type, tenant, session, correlation, data, metadata, time)
      SELECT p, ${stream}, ${version}, 'evt_00' || lpad(p::text, 24, '0'), ${typeInSql("p")}, 'default', NULL, NULL,
        ${dataInSql("p")}, '{"actor":"system"}', 1767225600000 + p
      FROM generate_series(${first}::bigint, ${last}::bigint) AS p`);
  });
  await settle(client, "viable.events");
}

/** The same events in Emmett's tables, as its own append writes them. */
export async function fillEmmett(client: BareClient, from: number, to: number): Promise<void> {
  await inChunks(from, to, async (first, last) => {
    await client.query(`
      INSERT INTO emt_messages (stream_id, stream_position, partition, message_data, message_metadata, message_schema_version,
        message_type, message_kind, message_id, transaction_id)
      SELECT ${stream}, ${version}, 'emt:default', (${dataInSql("p")})::jsonb, '{}', '1', ${typeInSql("p")}, 'E',
        gen_random_uuid()::text, pg_current_xact_id()
      FROM generate_series(${first}::bigint, ${last}::bigint) AS p`);
    await client.query(`
      INSERT INTO emt_streams (stream_id, stream_position, partition, stream_type, stream_metadata)
      SELECT ${stream}, ${eventsPerStream}, 'emt:default', 'emt:unknown', '{}'
      FROM generate_series(${first}::bigint, ${last}::bigint) AS p WHERE (p - 1) % ${blockEvents} < ${streamsAtOnce}`);
  });
  await settle(client, "emt_messages");
  await settle(client, "emt_streams");
}

async function inChunks(from: number, to: number, fill: (first: number, last: number) => Promise<void>): Promise<void> {
  if (from % blockEvents !== 0 || to % blockEvents !== 0) {
    throw new Error(`A log is filled in blocks of ${blockEvents} events, not from ${from} to ${to}.`);
  }
  for (let first = from + 1; first <= to; first += chunkEvents) {
    await fill(first, Math.min(to, first + chunkEvents - 1));
  }
}

/** Does now what the server would else do while we measure. */
async function settle(client: BareClient, table: string): Promise<void> {
  await client.query(`VACUUM (FREEZE, ANALYZE) ${table}`);
  await client.query("CHECKPOINT");
}
