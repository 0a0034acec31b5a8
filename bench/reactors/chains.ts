// Runs of a few steps, one after the other: by one caller and by many.
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import type { ProcessUse } from "../harness/watch-process.ts";
import type { RunSample } from "./bare-run.ts";
import type { RunsDriven } from "./run-load.ts";
import type { Started } from "./start-subjects.ts";
import {
  checkCompleted,
  dbos,
  langgraph,
  limit,
  restate,
  run,
  startSubjects,
  viable,
  warmUp,
} from "./start-subjects.ts";
import { toRows } from "./to-rows.ts";

/** What is measured: runs of so many steps, by so many callers at a time. */
export interface ChainCase {
  readonly name: string;
  readonly steps: number;
  readonly concurrent: readonly number[];
}

type Round = RunsDriven & ProcessUse;

/** Measures all subjects in turns, and holds what their databases have afterwards against what was answered. */
export async function measureChains(options: BenchOptions, { name, steps, concurrent }: ChainCase): Promise<Row[]> {
  await using subjects = await startSubjects([limit, viable, dbos, restate, langgraph(steps)]);
  await giveSample(subjects.all, steps);
  await warmUp(options, name, subjects.all, steps);
  const rows: Row[] = [];
  for (const callers of concurrent) rows.push(...(await measure(options, subjects.all, name, steps, callers)));
  await checkCompleted(subjects.all);
  return rows;
}

/** The limit writes events of the sizes that a run of ours wrote. */
async function giveSample(subjects: readonly Started[], steps: number): Promise<void> {
  const [ours, theirs] = [viable, limit].map(({ name }) => subjects.find((each) => each.name === name)) as [
    Started,
    Started,
  ];
  const sample = await ours.child.ask<RunSample>({ ask: "sample", steps });
  if (sample.length !== steps + 2) throw new Error(`A run of ${steps} steps wrote ${sample.length} events.`);
  ours.completedRuns += 1;
  await theirs.child.ask({ ask: "take", steps, sample });
}

async function measure(
  { quick, note }: BenchOptions,
  subjects: readonly Started[],
  name: string,
  steps: number,
  concurrent: number,
): Promise<Row[]> {
  const plan = quick
    ? { rounds: 2, warmUpMs: 100, measuredMs: 400 }
    : { rounds: 5, warmUpMs: 1_000, measuredMs: 3_000 };
  const atATime = concurrent === 1 ? "1 at a time" : `${concurrent} concurrent`;
  const rounds = new Map(subjects.map((subject) => [subject.name, [] as Round[]]));
  for (let round = 1; round <= plan.rounds; round++) {
    for (const subject of inTurn(subjects, round)) {
      note(`reactors: ${name}, ${atATime}, round ${round} of ${plan.rounds}, ${subject.name}`);
      await subject.child.ask({ ask: "watch" });
      const { warmUpMs, measuredMs } = plan;
      const driven = await run(subject, { steps, concurrent, warmUpMs, measuredMs });
      rounds.get(subject.name)?.push({ ...driven, ...(await subject.child.ask<ProcessUse>({ ask: "use" })) });
    }
  }
  const about = (what: string) => `${name} steps, ${atATime}, ${what}`;
  const cost = { unit: "µs/run", higherIsBetter: false };
  const time = { unit: "ms", higherIsBetter: false };
  return [
    ...toRows(rounds, {
      case: about("throughput"),
      unit: "runs/s",
      higherIsBetter: true,
      compared: true,
      value: ({ perSecond }) => perSecond,
    }),
    ...toRows(rounds, { ...time, case: about("latency p50"), compared: true, value: ({ p50Ms }) => p50Ms }),
    ...toRows(rounds, { ...time, case: about("latency p99"), compared: false, value: ({ p99Ms }) => p99Ms }),
    ...toRows(rounds, {
      ...cost,
      case: about("cpu"),
      compared: true,
      value: ({ cpuMs, completed }) => (cpuMs * 1_000) / completed,
    }),
    ...toRows(rounds, {
      ...cost,
      case: about("cpu, main thread"),
      compared: false,
      value: ({ mainThreadCpuMs, completed }) => (mainThreadCpuMs * 1_000) / completed,
    }),
  ];
}
