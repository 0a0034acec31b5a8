// Appends of one event each, by one writer and by many, beside the same group commit by hand, Emmett and plain INSERTs.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Place } from "../harness/bare-database.ts";
import type { Child } from "../harness/child.ts";
import { startChild } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { ProcessUse } from "../harness/watch-process.ts";
import { countEvents } from "./count-events.ts";
import { toRows } from "./measured.ts";
import type { Appended, WriterLoad } from "./run-writers.ts";

const writerCounts = [1, 32, 256];

interface Subject {
  readonly name: string;
  readonly module: URL;
  /** Where what it wrote is counted. */
  readonly table: string;
}

const viable = { name: "viable", module: new URL("./viable-subject.ts", import.meta.url), table: "viable.events" };
const limit = { name: "limit", module: new URL("./limit-subject.ts", import.meta.url), table: "events" };
const plain = { name: "plain INSERT", module: new URL("./plain-subject.ts", import.meta.url), table: "events" };
const emmett = {
  name: "@event-driven-io/emmett-postgresql",
  module: new URL("./emmett-subject.ts", import.meta.url),
  table: "emt_messages",
};

const subjectsOn: Readonly<Record<"postgres" | "pglite", readonly Subject[]>> = {
  postgres: [limit, viable, emmett, plain],
  pglite: [limit, viable],
};

type Round = Appended & ProcessUse;
interface Started extends Subject {
  readonly child: Child;
  readonly place: Place;
  acknowledged: number;
}

/** Measures all subjects on one database, in turns, and holds what is in it afterwards against what was acknowledged. */
export async function measureAppends(options: BenchOptions, database: "postgres" | "pglite"): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "viable-bench-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const server = database === "postgres" ? stack.use(await startDurable()) : undefined;
  const subjects: Started[] = [];
  const rows: Row[] = [];
  {
    await using children = new AsyncDisposableStack();
    for (const subject of subjectsOn[database]) {
      const place = { stateDir: join(folder, subject.name), databaseUrl: await server?.createDatabase() };
      const child = children.use(await startChild(subject.module, place));
      subjects.push({ ...subject, child, place, acknowledged: 0 });
    }
    rows.push(...(await measure(options, database, subjects)));
  }
  // PGlite's folders are read by us now that nobody else has them.
  for (const { name, place, table, acknowledged } of subjects) {
    const stored = await countEvents(place, table);
    if (stored !== acknowledged) {
      throw new Error(`${name} on ${database} acknowledged ${acknowledged} appends, and ${stored} events are there.`);
    }
  }
  return rows;
}

async function measure({ quick, note }: BenchOptions, database: string, subjects: readonly Started[]): Promise<Row[]> {
  const plan = quick
    ? { rounds: 2, firstMs: 500, warmUpMs: 100, measuredMs: 400 }
    : { rounds: 5, firstMs: 3_000, warmUpMs: 1_000, measuredMs: 3_000 };
  let runs = 0;
  const run = async (subject: Started, load: Omit<WriterLoad, "run">): Promise<Appended> => {
    const appended = await subject.child.ask<Appended>({ ask: "append", load: { ...load, run: `run-${runs++}` } });
    subject.acknowledged += appended.acknowledged;
    return appended;
  };

  for (const subject of subjects) {
    note(`log: append on ${database}, warming up ${subject.name}`);
    await run(subject, { writers: 64, warmUp: { ms: 0 }, measured: { ms: plan.firstMs } });
  }
  const rows: Row[] = [];
  for (const writers of writerCounts) {
    const rounds = new Map(subjects.map(({ name }) => [name, [] as Round[]]));
    for (let round = 1; round <= plan.rounds; round++) {
      for (const subject of inTurn(subjects, round)) {
        note(`log: append on ${database}, ${manyOf(writers)}, round ${round} of ${plan.rounds}, ${subject.name}`);
        await subject.child.ask({ ask: "watch" });
        const appended = await run(subject, {
          writers,
          warmUp: { ms: plan.warmUpMs },
          measured: { ms: plan.measuredMs },
        });
        rounds.get(subject.name)?.push({ ...appended, ...(await subject.child.ask<ProcessUse>({ ask: "use" })) });
      }
    }
    const about = (what: string) => `append, ${database}, ${manyOf(writers)}, ${what}`;
    const cost = { unit: "µs/event", higherIsBetter: false };
    const time = { unit: "ms", higherIsBetter: false, compared: false };
    rows.push(
      ...toRows(rounds, {
        case: about("throughput"),
        unit: "events/s",
        higherIsBetter: true,
        compared: true,
        value: ({ perSecond }) => perSecond,
      }),
      ...toRows(rounds, {
        ...cost,
        case: about("cpu"),
        compared: true,
        value: ({ cpuMs, acknowledged }) => (cpuMs * 1_000) / acknowledged,
      }),
      ...toRows(rounds, {
        ...cost,
        case: about("cpu, main thread"),
        compared: false,
        value: ({ mainThreadCpuMs, acknowledged }) => (mainThreadCpuMs * 1_000) / acknowledged,
      }),
      ...toRows(rounds, { ...time, case: about("latency p50"), value: ({ p50Ms }) => p50Ms }),
      ...toRows(rounds, { ...time, case: about("latency p99"), value: ({ p99Ms }) => p99Ms }),
    );
  }
  return rows;
}

const manyOf = (writers: number): string => (writers === 1 ? "1 writer" : `${writers} writers`);
