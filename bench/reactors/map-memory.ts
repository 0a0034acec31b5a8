// What one run keeps in memory while it maps over a long list: the list, and no more for each element that is done.
import { startChild } from "../harness/child.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import { countIn, viable } from "./start-subjects.ts";
import { toRows } from "./to-rows.ts";

/** Live heap while a map goes on, in MB: after a hundredth of its elements, and before its last hundredth. */
export interface MapMemory {
  readonly earlyMb: number;
  readonly lateMb: number;
}

/** Ours alone: what the others keep for a step that is done is theirs to say. */
export async function measureMapMemory({ quick, note }: BenchOptions): Promise<Row[]> {
  const plan = quick ? { rounds: 2, elements: 5_000 } : { rounds: 3, elements: 100_000 };
  await using server = await startDurable();
  const databaseUrl = await server.createDatabase();
  await using child = await startChild(viable.module, { databaseUrl }, { execArgv: ["--expose-gc"] });
  const rounds = new Map([[viable.name, [] as MapMemory[]]]);
  // Round 0 is not counted: code that has not run yet takes memory when it does.
  for (let round = 0; round <= plan.rounds; round++) {
    note(`reactors: a map over ${plan.elements} elements, round ${round} of ${plan.rounds}`);
    const measured = await child.ask<MapMemory>({ ask: "mapMemory", count: plan.elements });
    if (round > 0) rounds.get(viable.name)?.push(measured);
  }
  const done = await countIn(
    databaseUrl,
    "SELECT count(*)::int AS runs FROM viable.events WHERE type = 'step.succeeded'",
  );
  const expected = plan.elements * (plan.rounds + 1);
  if (done !== expected) throw new Error(`${expected} elements were to be done, and ${done} were.`);

  const heap = { unit: "MB", higherIsBetter: false, compared: false };
  const about = (what: string) => `a map over ${plan.elements.toLocaleString("en")} elements, live heap ${what}`;
  return [
    ...toRows(rounds, { ...heap, case: about("after a hundredth"), value: ({ earlyMb }) => earlyMb }),
    ...toRows(rounds, { ...heap, case: about("before the last hundredth"), value: ({ lateMb }) => lateMb }),
  ];
}
