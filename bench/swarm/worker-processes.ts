// Tasks that wait for something else, spread over more and more processes: how far throughput grows with them.
import { startNats } from "@viable/bus-nats/testing";
import type { Child } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row, Series } from "../harness/row.ts";
import { compare, toRow } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { ProcessUse } from "../harness/watch-process.ts";
import type { CallsDriven } from "./call-load.ts";
import { startPart, untilOffered } from "./start-part.ts";

const processCounts = [1, 2, 4];
const waitMs = 20;
/** Few enough that four processes leave cores idle, and so many that they do not. */
const workerCounts = [4, 8, 32];
/** For each worker: enough that none waits for a caller, also while tasks are on their way to the disk. */
const callersEach = 8;

interface Grown {
  readonly processes: number;
  readonly calling: Child;
  readonly working: readonly Child[];
}
type Round = CallsDriven & { readonly cpuMs: number };

export async function measureWorkerProcesses({ quick, note }: BenchOptions): Promise<Row[]> {
  const plan = quick
    ? { rounds: 2, warmUpMs: 500, measuredMs: 1_000 }
    : { rounds: 5, warmUpMs: 1_500, measuredMs: 3_000 };
  const rows: Row[] = [];
  for (const workers of quick ? workerCounts.slice(0, 1) : workerCounts) {
    await using stack = new AsyncDisposableStack();
    const server = stack.use(await startDurable());
    const [natsUrl] = stack.use(await startNats()).urls;
    const systems: Grown[] = [];
    for (const processes of processCounts) {
      const settings = { databaseUrl: await server.createDatabase(), natsUrl, workers, waitMs: [waitMs] };
      const working: Child[] = [];
      for (let index = 0; index < processes; index++)
        working.push(stack.use(await startPart({ ...settings, services: ["waiter-1"] })));
      const calling = stack.use(await startPart({ ...settings, services: [] }));
      await untilOffered(calling, "next.wait", processes);
      systems.push({ processes, calling, working });
    }
    const rounds = new Map(systems.map(({ processes }) => [processes, [] as Round[]]));
    for (let round = 1; round <= plan.rounds; round++) {
      for (const { processes, calling, working } of inTurn(systems, round)) {
        note(`swarm: ${workers} workers a process, round ${round} of ${plan.rounds}, ${processes} processes`);
        const all = [calling, ...working];
        for (const child of all) await child.ask({ ask: "watch" });
        const load = {
          concurrent: callersEach * workers * processes,
          warmUpMs: plan.warmUpMs,
          measuredMs: plan.measuredMs,
        };
        const driven = await calling.ask<CallsDriven>({ ask: "do", command: "next.wait", load });
        let cpuMs = 0;
        for (const child of all) cpuMs += (await child.ask<ProcessUse>({ ask: "use" })).cpuMs;
        rounds.get(processes)?.push({ ...driven, cpuMs });
      }
    }
    const about = `tasks that wait ${waitMs} ms, ${workers} workers a process`;
    const seriesOf = (processes: number, what: string, unit: string, value: (round: Round) => number): Series => ({
      bench: "swarm",
      case: `${about}, ${processes === 1 ? "1 process" : `${processes} processes`}, ${what}`,
      subject: "viable",
      unit,
      higherIsBetter: unit === "tasks/s",
      values: (rounds.get(processes) ?? []).map(value),
    });
    const one = seriesOf(1, "throughput", "tasks/s", ({ perSecond }) => perSecond);
    for (const processes of processCounts) {
      const rates = seriesOf(processes, "throughput", "tasks/s", ({ perSecond }) => perSecond);
      rows.push(toRow(rates));
      if (processes > 1) rows.push(compare(rates, { ...one, subject: "one process" }));
      const cost = seriesOf(processes, "cpu of all its processes", "µs/task", (r) => (r.cpuMs * 1_000) / r.answers);
      rows.push(toRow(cost));
    }
  }
  return rows;
}
