// What it takes to have many agents that nobody asks anything.
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { MemoryUse } from "../reactors/memory-use.ts";
import { startPart } from "./start-part.ts";
import { toRows } from "./to-rows.ts";

const agents = 10_000;
const swarmCounts = [100, 1_000];

interface Round {
  readonly residentMb: number;
  readonly heapMb: number;
}

/** Ours alone: as many swarms with their queens, workers and monitors, above the same process without them. */
export async function measureIdleAgents({ quick, note }: BenchOptions): Promise<Row[]> {
  const plannedRounds = quick ? 1 : 5;
  await using server = await startDurable();
  const rows: Row[] = [];
  const memoryOf = async (swarms: number): Promise<MemoryUse> => {
    const idle = { swarms, agentsEach: swarms === 0 ? 0 : agents / swarms };
    const settings = { databaseUrl: await server.createDatabase(), services: ["answerer"], idle };
    await using child = await startPart(settings, ["--expose-gc"]);
    return await child.ask<MemoryUse>({ ask: "memory" });
  };
  for (const swarms of swarmCounts) {
    const about = `${agents.toLocaleString("en")} idle agents in ${swarms.toLocaleString("en")} swarms`;
    const rounds: Round[] = [];
    for (let round = 1; round <= plannedRounds; round++) {
      note(`swarm: ${about}, round ${round} of ${plannedRounds}`);
      const bare = await memoryOf(0);
      const full = await memoryOf(swarms);
      rounds.push({ residentMb: full.residentMb - bare.residentMb, heapMb: full.heapMb - bare.heapMb });
    }
    const memory = { unit: "MB above none", higherIsBetter: false, compared: false };
    const measured = new Map([["viable", rounds]]);
    rows.push(
      ...toRows(measured, { ...memory, case: `${about}, memory`, value: ({ residentMb }) => residentMb }),
      ...toRows(measured, { ...memory, case: `${about}, live heap`, value: ({ heapMb }) => heapMb }),
    );
  }
  return rows;
}
