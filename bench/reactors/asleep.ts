// What it takes to have many runs asleep, and how late those are that are to wake among them.
import { setTimeout as sleep } from "node:timers/promises";
import { startChild } from "../harness/child.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { MemoryUse } from "./memory-use.ts";
import { countIn, viable } from "./start-subjects.ts";
import { toRows } from "./to-rows.ts";

interface Round {
  readonly begunMb: number;
  readonly begunHeapMb: number;
  readonly begunNeededMb: number;
  readonly takenOverMb: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Until long after the benchmark is over. */
const longMs = 24 * 3_600_000;
const pollMs = 100;
/** How long it may take until all are asleep, in milliseconds: more than ten times what it takes. */
const maxToSleepMs = 30 * 60_000;
const wakers = { firstMs: 3_000, spreadMs: 20_000 };

/**
 * Ours alone. Restate keeps runs that sleep in its server's files, whose memory is what its caches are given, and takes a run off its
 * endpoint only after a minute of silence; DBOS keeps each as a promise in its process, and takes minutes to begin that many;
 * LangGraph has nothing that sleeps.
 */
export async function measureAsleep({ quick, note }: BenchOptions): Promise<Row[]> {
  const plan = quick ? { rounds: 2, asleep: 5_000, waking: 200 } : { rounds: 5, asleep: 100_000, waking: 1_000 };
  await using server = await startDurable();
  const rounds = new Map([[viable.name, [] as Round[]]]);
  for (let round = 1; round <= plan.rounds; round++) {
    const databaseUrl = await server.createDatabase();
    const start = () => startChild(viable.module, { databaseUrl }, { execArgv: ["--expose-gc"] });
    const about = `reactors: asleep, round ${round} of ${plan.rounds}`;
    const untilAsleep = async (child: Awaited<ReturnType<typeof start>>) => {
      for (const giveUpAt = Date.now() + maxToSleepMs; ; await sleep(pollMs)) {
        const { open, busy } = await child.ask<{ open: number; busy: number }>({ ask: "open" });
        if (open === plan.asleep && busy === 0) return;
        if (Date.now() > giveUpAt) throw new Error(`${open} of ${plan.asleep} runs are open, ${busy} of them busy.`);
      }
    };

    note(`${about}, ${plan.asleep} runs`);
    let fresh: MemoryUse;
    let bare: MemoryUse;
    let begun: MemoryUse;
    let latenessMs: readonly number[];
    {
      await using child = await start();
      fresh = await child.ask<MemoryUse>({ ask: "memory" });
      // Code that has run takes memory, too: that is not the runs'.
      await child.ask({ ask: "nap", count: plan.waking, firstMs: 0, everyMs: 0 });
      bare = await child.ask<MemoryUse>({ ask: "memory" });
      await child.ask({ ask: "beginNaps", count: plan.asleep, until: Date.now() + longMs });
      await untilAsleep(child);
      begun = await child.ask<MemoryUse>({ ask: "memory" });
      note(`${about}, ${plan.waking} of them wake`);
      latenessMs = await child.ask<readonly number[]>({
        ask: "nap",
        count: plan.waking,
        firstMs: wakers.firstMs,
        everyMs: wakers.spreadMs / plan.waking,
      });
    }
    note(`${about}, taken over by another process`);
    let takenOver: MemoryUse;
    {
      await using child = await start();
      await untilAsleep(child);
      takenOver = await child.ask<MemoryUse>({ ask: "memory" });
    }
    await check(databaseUrl, plan);

    const sorted = [...latenessMs].sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] as number;
    rounds.get(viable.name)?.push({
      begunMb: begun.residentMb - bare.residentMb,
      begunHeapMb: begun.heapMb - bare.heapMb,
      begunNeededMb: begun.neededMb - bare.neededMb,
      takenOverMb: takenOver.residentMb - fresh.residentMb,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
    });
  }
  // Above the same process with none: one that has begun and ended a few, and one that has just started.
  const about = (what: string) => `${plan.asleep.toLocaleString("en")} runs asleep, ${what}`;
  const memory = { unit: "MB above none", higherIsBetter: false, compared: false };
  const time = { unit: "ms", higherIsBetter: false, compared: false };
  return [
    ...toRows(rounds, { ...memory, case: about("memory"), value: ({ begunMb }) => begunMb }),
    ...toRows(rounds, { ...memory, case: about("heap"), value: ({ begunHeapMb }) => begunHeapMb }),
    ...toRows(rounds, {
      ...memory,
      case: about("memory, free pages given back"),
      value: ({ begunNeededMb }) => begunNeededMb,
    }),
    ...toRows(rounds, {
      ...memory,
      case: about("memory, taken over"),
      value: ({ takenOverMb }) => takenOverMb,
    }),
    ...toRows(rounds, { ...time, case: about("wake lateness p50"), value: ({ p50Ms }) => p50Ms }),
    ...toRows(rounds, { ...time, case: about("wake lateness p99"), value: ({ p99Ms }) => p99Ms }),
  ];
}

async function check(databaseUrl: string, { asleep, waking }: { asleep: number; waking: number }): Promise<void> {
  const begun = await countIn(
    databaseUrl,
    "SELECT count(*)::int AS runs FROM viable.events WHERE type = 'run.started'",
  );
  const completed = await countIn(databaseUrl, viable.completed as string);
  // Those that woke while the memory was still bare, and those that woke among the others.
  const expected = { begun: asleep + 2 * waking, completed: 2 * waking };
  if (begun !== expected.begun || completed !== expected.completed) {
    throw new Error(`${expected.begun} runs were begun and ${begun} are there, ${completed} of them complete.`);
  }
}
