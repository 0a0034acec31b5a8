// What sockets take of memory that nothing is said on: ours authenticated, joined to their sessions and looked after each second; beside
// them those of ws by itself, and Node's own.
import { setTimeout as sleep } from "node:timers/promises";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import type { ProcessUse } from "../harness/watch-process.ts";
import type { MemoryUse } from "../reactors/memory-use.ts";
import { startSockets } from "./start-sockets.ts";
import { toRows } from "./to-rows.ts";

interface Round {
  readonly residentKb: number;
  readonly heapKb: number;
  /** Of a core, in percent, while nothing is said. */
  readonly busy: number;
}

const sockets = 10_000;

/** One round each in processes of their own: what a process has once taken it does not give back. */
export async function measureIdleSockets({ quick, note }: BenchOptions): Promise<Row[]> {
  const plan = quick ? { rounds: 1, idleMs: 5_000 } : { rounds: 5, idleMs: 15_000 };
  const measured = new Map<string, Round[]>();
  for (let round = 0; round < plan.rounds; round++) {
    await using started = await startSockets(["limit", "ws"], sockets);
    for (const { name, child, plan: asked } of inTurn(started.subjects, round)) {
      note(`gateway: ${sockets} idle sockets, round ${round + 1} of ${plan.rounds}, ${name}`);
      // What is loaded with the first socket is not any socket's.
      await started.clients.ask({ ask: "open", asked: await asked(100) });
      await started.clients.ask({ ask: "close" });
      const before = await child.ask<MemoryUse>({ ask: "memory" });
      await started.clients.ask({ ask: "open", asked: await asked(sockets) });
      // Who came is told, once more after a second.
      await sleep(2_000);
      await child.ask({ ask: "watch" });
      await sleep(plan.idleMs);
      const { cpuMs } = await child.ask<ProcessUse>({ ask: "use" });
      const after = await child.ask<MemoryUse>({ ask: "memory" });
      await started.clients.ask({ ask: "counts" });
      await started.clients.ask({ ask: "close" });
      const rounds = measured.get(name) ?? [];
      measured.set(name, rounds);
      const each = (mb: number) => (mb * 1_024) / sockets;
      rounds.push({
        residentKb: each(after.neededMb - before.neededMb),
        heapKb: each(after.heapMb - before.heapMb),
        busy: (cpuMs / plan.idleMs) * 100,
      });
    }
  }
  const about = `${sockets.toLocaleString("en")} idle sockets`;
  const lower = { higherIsBetter: false };
  return [
    ...toRows(measured, {
      ...lower,
      case: `${about}, memory of each`,
      unit: "kB",
      compared: true,
      value: (each) => each.residentKb,
    }),
    ...toRows(measured, {
      ...lower,
      case: `${about}, live heap of each`,
      unit: "kB",
      compared: true,
      value: (each) => each.heapKb,
    }),
    ...toRows(measured, {
      ...lower,
      case: `${about}, cpu`,
      unit: "% of a core",
      compared: false,
      value: (each) => each.busy,
    }),
  ];
}
