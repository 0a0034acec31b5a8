// Four processes do the same, and one of them takes ten times as long: what its callers notice of it.
import { startNats } from "@viable/bus-nats/testing";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row, Series } from "../harness/row.ts";
import { compare, toRow } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { RateDriven } from "./rate-load.ts";
import { startPart, untilOffered } from "./start-part.ts";
import { waiterName } from "./swarm-system.ts";

const waitMs = [20, 20, 20, 200];
const workers = 8;
/** A second: with turns, the slow one has five of its eight workers busy. */
const perSecond = 100;

type Round = RateDriven & { readonly slowShare: number };

/** The registry's own choice and power of two choices, beside turns: the same processes, which a task is sent to by name. */
export async function measureUnevenWorkers({ quick, note }: BenchOptions): Promise<Row[]> {
  const plan = quick
    ? { rounds: 2, warmUpMs: 2_000, measuredMs: 3_000 }
    : { rounds: 5, warmUpMs: 3_000, measuredMs: 10_000 };
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startDurable());
  const [natsUrl] = stack.use(await startNats()).urls;
  const startSystem = async (policy: "power-of-two" | undefined) => {
    const settings = {
      databaseUrl: await server.createDatabase(),
      natsUrl,
      workers,
      waitMs,
      ...(policy && { policy }),
    };
    for (let number = 1; number <= waitMs.length; number++)
      stack.use(await startPart({ ...settings, services: [waiterName(number)] }));
    const calling = stack.use(await startPart({ ...settings, services: [] }));
    await untilOffered(calling, "next.wait", waitMs.length);
    return calling;
  };
  const ours = await startSystem(undefined);
  const subjects = [
    { name: "round robin", calling: ours, more: { inTurn: waitMs.length } },
    { name: "viable", calling: ours, more: {} },
    { name: "viable, power of two", calling: await startSystem("power-of-two"), more: {} },
  ];
  const rounds = new Map(subjects.map(({ name }) => [name, [] as Round[]]));
  for (let round = 1; round <= plan.rounds; round++) {
    for (const { name, calling, more } of inTurn(subjects, round)) {
      note(`swarm: one of four ten times slower, round ${round} of ${plan.rounds}, ${name}`);
      await calling.ask({ ask: "doneBy" });
      const load = { perSecond, warmUpMs: plan.warmUpMs, measuredMs: plan.measuredMs };
      const driven = await calling.ask<RateDriven>({ ask: "doAtRate", command: "next.wait", load, ...more });
      const doneBy = await calling.ask<Record<string, number>>({ ask: "doneBy" });
      const slow = doneBy[waiterName(waitMs.length)] ?? 0;
      rounds.get(name)?.push({ ...driven, slowShare: slow / driven.answers });
    }
  }
  const about = (what: string) => `one of four ten times slower, ${perSecond} tasks/s, ${what}`;
  const seriesOf = (subject: string, what: string, unit: string, value: (round: Round) => number): Series => ({
    bench: "swarm",
    case: about(what),
    subject,
    unit,
    higherIsBetter: false,
    values: (rounds.get(subject) ?? []).map(value),
  });
  const all = subjects.map(({ name }) => seriesOf(name, "latency p99", "ms", ({ p99Ms }) => p99Ms));
  const [turns, ...chosen] = all as [Series, ...Series[]];
  return [
    ...all.map(toRow),
    ...chosen.map((series) => compare(series, turns)),
    ...subjects.map(({ name }) => toRow(seriesOf(name, "latency p50", "ms", ({ p50Ms }) => p50Ms))),
    ...subjects.map(({ name }) =>
      toRow(seriesOf(name, "tasks that the slow one got", "share", ({ slowShare }) => slowShare)),
    ),
  ];
}
