// How long it takes until runs have ended that were in the middle of a step when their process was killed.
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Child } from "../harness/child.ts";
import { startChild } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { GateCounts } from "./gate.ts";
import type { Subject } from "./start-subjects.ts";
import { countIn, dbos, viable } from "./start-subjects.ts";
import { toRows } from "./to-rows.ts";

interface Resumed extends Subject {
  /** What its processes are started with. */
  readonly settings: object;
  /** In SQL, the sum of the numbers that complete runs have come to. */
  readonly sum: string;
}

const numberIn = (column: string): string => `coalesce(sum((regexp_match(${column}, '"n":(\\d+)'))[1]::int), 0)::int`;

/**
 * Nothing is taken over before the dead process's lease is over: shorter than its default of ten seconds, with still three chances
 * to renew it. DBOS has no lease where it is run as a library: a process takes what one of its own name has left, and nobody looks whether that one is dead.
 */
const leaseMs = 3_000;

/**
 * Restate is left out: its journals are with its server, which is not what is killed here. So is LangGraph: whoever starts it must know
 * what was not finished, and go on with it one by one.
 */
const subjects: readonly Resumed[] = [
  {
    ...viable,
    settings: { leaseMs },
    sum: `SELECT ${numberIn("data")} AS runs FROM viable.events WHERE type = 'run.completed'`,
  },
  {
    ...dbos,
    settings: {},
    sum: `SELECT ${numberIn("output")} AS runs FROM dbos.workflow_output`,
  },
];

const pollMs = 20;
/** How long any of it may take before the measurement is given up. */
const giveUpMs = 600_000;

export async function measureResume({ quick, note }: BenchOptions): Promise<Row[]> {
  const plan = quick ? { rounds: 2, runs: 500 } : { rounds: 5, runs: 10_000 };
  await using server = await startDurable();
  const rounds = new Map(subjects.map(({ name }) => [name, [] as number[]]));
  for (let round = 1; round <= plan.rounds; round++) {
    for (const subject of inTurn(subjects, round)) {
      const about = `reactors: resume, round ${round} of ${plan.rounds}, ${subject.name}`;
      const place = { databaseUrl: await server.createDatabase(), ...subject.settings };
      note(`${about}, ${plan.runs} runs begin`);
      {
        await using child = await startChild(subject.module, { ...place, isGateClosed: true });
        await child.ask({ ask: "beginHeld", runs: plan.runs });
        await until(async () => (await gateOf(child)).held === plan.runs);
        process.kill(child.pid, "SIGKILL");
      }
      note(`${about}, going on after its process was killed`);
      const beganMs = performance.now();
      await using child = await startChild(subject.module, place);
      // The last step first, so that the database is asked only for what is missing then.
      await until(async () => (await gateOf(child)).passed >= plan.runs);
      await until(async () => (await countIn(place.databaseUrl, subject.completed as string)) === plan.runs);
      rounds.get(subject.name)?.push(performance.now() - beganMs);
      await check(subject, place.databaseUrl, plan.runs);
    }
  }
  return [
    ...toRows(rounds, {
      case: `resume of ${plan.runs.toLocaleString("en")} runs after kill -9`,
      unit: "s",
      higherIsBetter: false,
      compared: true,
      value: (ms) => ms / 1_000,
    }),
  ];
}

const gateOf = (child: Child): Promise<GateCounts> => child.ask<GateCounts>({ ask: "gate" });

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + giveUpMs;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`Given up after ${giveUpMs} ms.`);
    await sleep(pollMs);
  }
}

/** Each run has added five to its number, once. */
async function check({ name, sum }: Resumed, databaseUrl: string, runs: number): Promise<void> {
  const expected = (runs * (runs - 1)) / 2 + 5 * runs;
  const found = await countIn(databaseUrl, sum);
  if (found !== expected) throw new Error(`${name}: results were to add up to ${expected}, and add up to ${found}.`);
}
