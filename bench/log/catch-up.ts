// A subscriber that begins at the first event of a long log, beside a cursor over the same table and Emmett's consumer.
import { isDeepStrictEqual } from "node:util";
import { connectBare } from "../harness/bare-database.ts";
import { startChild } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { ProcessUse } from "../harness/watch-process.ts";
import { fillEmmett, fillViable, makeViable } from "./fill-log.ts";
import { toRows } from "./measured.ts";
import { countsOf } from "./sample-events.ts";

type Round = ProcessUse & { readonly ms: number };

/** In how many pages Emmett is to read it all: in its own pages of a hundred, each a sort of the whole table, a million events take hours. */
const emmettPages = 20;

/** Measures all subjects on logs that hold the same events. */
export async function measureCatchUp({ quick, note }: BenchOptions): Promise<Row[]> {
  const plan = quick ? { rounds: 2, events: 50_000 } : { rounds: 5, events: 1_000_000 };
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startDurable());
  const start = async (module: string, settings: object) =>
    stack.use(await startChild(new URL(module, import.meta.url), settings));

  note(`log: catch-up, filling two logs with ${plan.events} events each`);
  const ours = await server.createDatabase();
  const theirs = await server.createDatabase();
  await makeViable(ours);
  const emmett = await start("./emmett-subject.ts", { databaseUrl: theirs });
  for (const [databaseUrl, fill] of [
    [ours, fillViable],
    [theirs, fillEmmett],
  ] as const) {
    const client = await connectBare(databaseUrl);
    await fill(client, 0, plan.events);
    await client.end();
  }
  const subjects = [
    {
      name: "limit",
      child: await start("./limit-subject.ts", { databaseUrl: ours, ours: { lastPosition: plan.events } }),
    },
    { name: "viable", child: await start("./viable-subject.ts", { databaseUrl: ours }) },
    { name: "@event-driven-io/emmett-postgresql", child: emmett },
  ];

  const rounds = new Map(subjects.map(({ name }) => [name, [] as Round[]]));
  const expected = countsOf(plan.events);
  // Round 0 is not counted: it runs in what later rounds run on.
  for (let round = 0; round <= plan.rounds; round++) {
    for (const { name, child } of inTurn(subjects, round)) {
      note(`log: catch-up of ${plan.events} events, round ${round} of ${plan.rounds}, ${name}`);
      await child.ask({ ask: "watch" });
      const { counts, ms } = await child.ask<{ counts: Record<string, number>; ms: number }>({
        ask: "catchUp",
        batchSize: plan.events / emmettPages,
      });
      if (!isDeepStrictEqual(counts, expected)) {
        throw new Error(`${name} counted ${JSON.stringify(counts)}, and there are ${JSON.stringify(expected)}.`);
      }
      const use = await child.ask<ProcessUse>({ ask: "use" });
      if (round > 0) rounds.get(name)?.push({ ms, ...use });
    }
  }
  const about = (what: string) => `catch-up of ${plan.events.toLocaleString("en")} events, ${what}`;
  return [
    ...toRows(rounds, {
      case: about("throughput"),
      unit: "events/s",
      higherIsBetter: true,
      compared: true,
      value: ({ ms }) => (plan.events * 1_000) / ms,
    }),
    ...toRows(rounds, {
      case: about("cpu"),
      unit: "µs/event",
      higherIsBetter: false,
      compared: true,
      value: ({ cpuMs }) => (cpuMs * 1_000) / plan.events,
    }),
  ];
}
