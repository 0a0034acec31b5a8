// The subject `limit`: the same group commit by hand, into a table of its own or into the very one of ours, and nothing checked;
// and the shortest way to read the events back.
import { performance } from "node:perf_hooks";
import { createRuntime, seededRandom } from "@viable/kernel";
import { bareSchema, createBareGroupCommit } from "../command/bare-group-commit.ts";
import type { BareClient, Place } from "../harness/bare-database.ts";
import { connectBare, executeOver, openBare } from "../harness/bare-database.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { watchProcess } from "../harness/watch-process.ts";
import { bareSample } from "./bare-sample.ts";
import type { ReadLoad } from "./read-streams.ts";
import { readStreams, touchLog } from "./read-streams.ts";
import type { WriterLoad } from "./run-writers.ts";
import { runWriters } from "./run-writers.ts";

/** `ours`: it reads and writes the table of our log, which ends at this position. */
export type LimitSettings = Place & { readonly ours?: { readonly lastPosition: number } };

const { ours, ...place } = readSettings<LimitSettings>();
const runtime = createRuntime();
const client = ours === undefined ? undefined : await connectOurs(place.databaseUrl as string);
const execute = client === undefined ? await openBare(place, bareSchema) : executeOver(client);
const append = createBareGroupCommit(execute, (kind) => runtime.ids.next(kind), ours?.lastPosition);

async function connectOurs(databaseUrl: string): Promise<BareClient> {
  const connected = await connectBare(databaseUrl);
  await connected.query("SET search_path = viable");
  // As we plan: a server that knows little of a fresh table would else read it from end to end.
  await connected.query("SET enable_seqscan = off");
  return connected;
}

/** What a reader gets of an event. */
interface EventRow {
  readonly type: string;
  /** As text, then decoded. */
  data: unknown;
  metadata: unknown;
}
const columns = "position, stream, version, id, type, tenant, session, correlation, data, metadata, time";

/** Decodes what we decode, where it stands. */
function decode(row: EventRow): EventRow {
  row.data = JSON.parse(row.data as string);
  row.metadata = JSON.parse(row.metadata as string);
  return row;
}

/** Rows of one FETCH: with more or with fewer it became no faster. */
const fetchRows = 1_000;

/** A cursor over the table, from its first event to its last; the next rows are under way while these are decoded. */
async function catchUp(over: BareClient): Promise<{ counts: Record<string, number>; ms: number }> {
  const counts: Record<string, number> = {};
  const beganMs = performance.now();
  await over.query("BEGIN");
  await over.query(`DECLARE all_events NO SCROLL CURSOR FOR
    SELECT ${columns} FROM events WHERE partition = 1 ORDER BY position`);
  const fetchNext = () => over.query<EventRow>(`FETCH FORWARD ${fetchRows} FROM all_events`);
  let coming = fetchNext();
  for (;;) {
    const { rows } = await coming;
    if (rows.length === 0) break;
    coming = fetchNext();
    for (const row of rows) {
      const { type } = decode(row);
      counts[type] = (counts[type] ?? 0) + 1;
    }
  }
  await over.query("COMMIT");
  return { counts, ms: performance.now() - beganMs };
}

async function readStream(over: BareClient, stream: string): Promise<readonly unknown[]> {
  const text = `SELECT ${columns} FROM events WHERE stream = $1::text ORDER BY version`;
  const { rows } = await over.query<EventRow>({ name: "bare_read", text, values: [stream] });
  return rows.map(decode);
}

answerParent({
  ready: () => true,
  append: ({ load }: { load: WriterLoad }) =>
    runWriters(load, (stream, version, n) => append(bareSample(n), stream, version + 1)),
  catchUp: () => catchUp(client as BareClient),
  readStreams: async ({ load }: { load: ReadLoad }) => {
    for (const sql of touchLog(load)) await (client as BareClient).query(sql);
    return readStreams(load, seededRandom(load.seed), (stream) => readStream(client as BareClient, stream));
  },
  ...watchProcess(),
});
