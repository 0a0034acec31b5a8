// Questions within one process: what a call costs where nothing travels.
import type { Child } from "../harness/child.ts";
import { startChild } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { ProcessUse } from "../harness/watch-process.ts";
import type { CallsDriven } from "./call-load.ts";
import { startPart } from "./start-part.ts";
import { toRows } from "./to-rows.ts";

type Round = Pick<CallsDriven, "perSecond" | "answers"> & ProcessUse;

/** One caller in the process that answers, of ours, and of Moleculer as it comes and with what ours has. */
export async function measureLocalQueries({ quick, note }: BenchOptions): Promise<Row[]> {
  const plan = quick
    ? { rounds: 2, warmUpMs: 300, measuredMs: 500 }
    : { rounds: 5, warmUpMs: 1_000, measuredMs: 3_000 };
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startDurable());
  const moleculer = async (isFull: boolean) =>
    stack.use(await startChild(new URL("./moleculer-part.ts", import.meta.url), { answers: true, isFull }));
  const subjects: readonly { readonly name: string; readonly child: Child }[] = [
    {
      name: "viable",
      child: stack.use(await startPart({ databaseUrl: await server.createDatabase(), services: ["answerer"] })),
    },
    { name: "moleculer, bare", child: await moleculer(false) },
    { name: "moleculer, equal features", child: await moleculer(true) },
  ];
  const rounds = new Map(subjects.map(({ name }) => [name, [] as Round[]]));
  for (let round = 1; round <= plan.rounds; round++) {
    for (const { name, child } of inTurn(subjects, round)) {
      note(`swarm: local query, round ${round} of ${plan.rounds}, ${name}`);
      await child.ask({ ask: "watch" });
      const driven = await child.ask<Round>({ ask: "askHere", load: plan });
      rounds.get(name)?.push({ ...driven, ...(await child.ask<ProcessUse>({ ask: "use" })) });
    }
  }
  return [
    ...toRows(rounds, {
      case: "local query, 1 caller, throughput",
      unit: "queries/s",
      higherIsBetter: true,
      compared: true,
      value: ({ perSecond }) => perSecond,
    }),
    // Counted and not timed: what another program takes of the core is not in it.
    ...toRows(rounds, {
      case: "local query, 1 caller, cpu, main thread",
      unit: "µs/query",
      higherIsBetter: false,
      compared: true,
      value: ({ mainThreadCpuMs, answers }) => (mainThreadCpuMs * 1_000) / answers,
    }),
  ];
}
