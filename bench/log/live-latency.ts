// How long an event takes from its append to a subscriber, in the same process and in another one on the same server.
import { startChild } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import { countEvents } from "./count-events.ts";
import type { PacedLoad } from "./live-arrivals.ts";
import { toRows } from "./measured.ts";

interface Round {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const modules = [
  { name: "viable", module: new URL("./viable-subject.ts", import.meta.url), table: "viable.events" },
  {
    name: "@event-driven-io/emmett-postgresql",
    module: new URL("./emmett-subject.ts", import.meta.url),
    table: "emt_messages",
  },
];

/** Of the round that is not counted: enough for the code to have run. */
const firstEvents = 10;

/** Measures both subjects, first alone in its process, then with a second process that subscribes. */
export async function measureLatency({ quick, note }: BenchOptions): Promise<Row[]> {
  const plan = quick ? { rounds: 2, events: 40, everyMs: 20 } : { rounds: 5, events: 250, everyMs: 20 };
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startDurable());
  const start = async (module: URL, databaseUrl: string) => stack.use(await startChild(module, { databaseUrl }));
  const subjects = [];
  for (const { name, module, table } of modules) {
    const databaseUrl = await server.createDatabase();
    subjects.push({ name, module, table, databaseUrl, writer: await start(module, databaseUrl), existing: 0 });
  }

  const rows: Row[] = [];
  let runs = 0;
  for (const where of ["the same process", "another process"]) {
    const rounds = new Map(subjects.map(({ name }) => [name, [] as Round[]]));
    const followers = new Map(
      await Promise.all(
        subjects.map(async ({ name, module, databaseUrl, writer }) => {
          const follower = where === "the same process" ? writer : await start(module, databaseUrl);
          return [name, follower] as const;
        }),
      ),
    );
    // Round 0 is not counted.
    for (let round = 0; round <= plan.rounds; round++) {
      for (const subject of inTurn(subjects, round)) {
        note(`log: latency to ${where}, round ${round} of ${plan.rounds}, ${subject.name}`);
        const events = round === 0 ? firstEvents : plan.events;
        const load: PacedLoad = { run: `run-${runs++}`, events, everyMs: plan.everyMs };
        const follower = followers.get(subject.name) ?? subject.writer;
        await follower.ask({ ask: "follow", load, existing: subject.existing });
        await subject.writer.ask({ ask: "appendPaced", load });
        const latenciesMs = await follower.ask<readonly number[]>({ ask: "followed" });
        subject.existing += events;
        const sorted = [...latenciesMs].sort((a, b) => a - b);
        const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] as number;
        if (round > 0) rounds.get(subject.name)?.push({ p50Ms: at(0.5), p99Ms: at(0.99) });
      }
    }
    const about = (what: string) => `latency from append to a subscriber in ${where}, ${what}`;
    const time = { unit: "ms", higherIsBetter: false, compared: true };
    rows.push(
      ...toRows(rounds, { ...time, case: about("p50"), value: ({ p50Ms }) => p50Ms }),
      ...toRows(rounds, { ...time, case: about("p99"), value: ({ p99Ms }) => p99Ms }),
    );
  }
  for (const { name, databaseUrl, table, existing } of subjects) {
    const stored = await countEvents({ databaseUrl }, table);
    if (stored !== existing) throw new Error(`${name}: ${existing} events were sent, and ${stored} are there.`);
  }
  return rows;
}
