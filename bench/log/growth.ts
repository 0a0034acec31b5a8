// What appending and reading a stream cost with few and with many events in the log, beside the same done by hand in the very same
// table: what takes PostgreSQL itself longer in a large table takes it longer in both.
import type { BareClient } from "../harness/bare-database.ts";
import { connectBare } from "../harness/bare-database.ts";
import { startChild } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row, Series } from "../harness/row.ts";
import { toRow } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import { eventsPerStream, fillViable, makeViable } from "./fill-log.ts";
import { toRows } from "./measured.ts";
import type { StreamsRead } from "./read-streams.ts";
import type { Appended } from "./run-writers.ts";

const writers = 32;

interface Round {
  readonly perSecond: number;
  readonly readP50Ms: number;
  readonly readP99Ms: number;
}

interface Log {
  readonly events: number;
  readonly databaseUrl: string;
  readonly client: BareClient;
}

const subjects = [
  { name: "limit", module: new URL("./limit-subject.ts", import.meta.url) },
  { name: "viable", module: new URL("./viable-subject.ts", import.meta.url) },
];

/**
 * Keeps one log of each size and goes from one to the next round by round, so that what disturbs the machine is not taken for growth.
 * Every subject finds a log of exactly its size, and adds few enough events that it stays about that.
 */
export async function measureGrowth({ quick, note }: BenchOptions): Promise<Row[]> {
  const plan = quick
    ? { rounds: 2, sizes: [10_000, 100_000], buffers: "512MB", warmUpEvents: 1_000, measuredEvents: 4_000, reads: 300 }
    : {
        rounds: 5,
        sizes: [10_000, 100_000, 1_000_000, 10_000_000],
        buffers: "10GB",
        warmUpEvents: 5_000,
        measuredEvents: 20_000,
        reads: 2_000,
      };
  await using stack = new AsyncDisposableStack();
  // The server's default of 128 MB holds the smallest logs whole and the largest hardly: what is then measured is its cache, not the log.
  // Without helpers: what they touch is mapped in their processes, not in the connection's (`touchLog`).
  const server = stack.use(await startDurable([`shared_buffers=${plan.buffers}`, "max_parallel_workers_per_gather=0"]));
  const logs: Log[] = [];
  for (const events of plan.sizes) {
    note(`log: growth, filling a log with ${events} events`);
    const databaseUrl = await server.createDatabase();
    await makeViable(databaseUrl);
    const client = stack.adopt(await connectBare(databaseUrl), (each) => each.end());
    await fillViable(client, 0, events);
    logs.push({ events, databaseUrl, client });
  }

  const rounds = new Map(
    plan.sizes.map((events) => [events, new Map(subjects.map(({ name }) => [name, [] as Round[]]))]),
  );
  // Other streams each time: what one subject has read is in the server's memory for the next.
  let seed = 1;
  for (let round = 1; round <= plan.rounds; round++) {
    for (const { events, databaseUrl, client } of logs) {
      for (const { name, module } of inTurn(subjects, round)) {
        note(`log: growth, ${events} events, round ${round} of ${plan.rounds}, ${name}`);
        await trim(client, events);
        await using child = await startChild(module, { databaseUrl, ours: { lastPosition: events } });
        const read = await child.ask<StreamsRead>({
          ask: "readStreams",
          load: { seed: seed++, streams: events / eventsPerStream, reads: plan.reads },
        });
        const { acknowledged, perSecond } = await child.ask<Appended>({
          ask: "append",
          load: {
            run: `round-${round}`,
            writers,
            warmUp: { events: plan.warmUpEvents },
            measured: { events: plan.measuredEvents },
          },
        });
        await checkSize(client, name, events + acknowledged);
        rounds.get(events)?.get(name)?.push({ perSecond, readP50Ms: read.p50Ms, readP99Ms: read.p99Ms });
      }
    }
  }
  return toGrowthRows(rounds);
}

/** Takes away what a round before has appended. */
async function trim(client: BareClient, events: number): Promise<void> {
  await client.query(`DELETE FROM viable.events WHERE partition = 1 AND position > ${events}`);
  await client.query("VACUUM viable.events");
  await client.query("CHECKPOINT");
}

/** The last positions say as much as a count of them all: they have no gaps, or the log is not what it was filled to be. */
async function checkSize(client: BareClient, name: string, expected: number): Promise<void> {
  const { rows } = await client.query<{ last: number }>(
    "SELECT max(position)::int AS last FROM viable.events WHERE partition = 1",
  );
  const last = rows[0]?.last;
  if (last !== expected)
    throw new Error(`${name}: ${expected} events were acknowledged in all, and the last position is ${last}.`);
}

function toGrowthRows(rounds: ReadonlyMap<number, ReadonlyMap<string, readonly Round[]>>): Row[] {
  const measures = [
    {
      what: `append by ${writers} writers`,
      unit: "events/s",
      higherIsBetter: true,
      value: (round: Round) => round.perSecond,
    },
    { what: "read of a stream, p50", unit: "ms", higherIsBetter: false, value: (round: Round) => round.readP50Ms },
    { what: "read of a stream, p99", unit: "ms", higherIsBetter: false, value: (round: Round) => round.readP99Ms },
  ];
  const [[smallest, first]] = [...rounds] as [[number, ReadonlyMap<string, readonly Round[]>]];
  return measures.flatMap(({ what, ...measure }) =>
    [...rounds].flatMap(([events, perSubject]) => {
      const name = `growth, ${events.toLocaleString("en")} events, ${what}`;
      const rows = toRows(perSubject, { ...measure, case: name, compared: true });
      if (events === smallest) return rows;
      const grown = [...perSubject].map(([subject, each]): Series => {
        const before = first.get(subject) ?? [];
        const values = each.map((round, index) => measure.value(round) / measure.value(before[index] as Round));
        const unit = `× with ${smallest.toLocaleString("en")}`;
        return { bench: "log", case: name, subject, unit, higherIsBetter: measure.higherIsBetter, values };
      });
      return [...rows, ...grown.map(toRow)];
    }),
  );
}
