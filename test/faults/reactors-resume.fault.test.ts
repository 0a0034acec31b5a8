/**
 * `kill -9` of a process in which each of many runs is in the middle of its second step: another process takes all of them, calls no
 * step again that has an outcome, and brings each to its end. How long that takes is told, and measured properly in `bench/reactors`.
 * Short form 500 runs, full form 10,000 (`npm run test:faults -- reactors-resume --full`).
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { seededRandom } from "@viable/kernel";
import { startPostgres } from "@viable/log-postgres/testing";
import { expect, test } from "vitest";
import type { Target } from "./log/open-target.ts";
import { isFull, keepResult, sayReplay, seed } from "./log/result-file.ts";
import type { RunStep } from "./reactors/check-runs.ts";
import { claimsOf, judgeRuns, nothingAcknowledged } from "./reactors/check-runs.ts";
import { OrderDesk } from "./reactors/order-desk.ts";
import { RunReader } from "./reactors/read-runs.ts";
import type { SinkCall } from "./reactors/sink-lines.ts";
import type { TransferInput } from "./reactors/transfer.ts";
import { nothingTold, startSink, WorkerPool } from "./reactors/worker-process.ts";

const runs = isFull ? 10_000 : 500;
const leaseMs = 1_500;
/** How long until a run is where it is waited for, in milliseconds. */
const maxWaitMs = 120_000;
/** Each look reads what is new in the log: not so often that it keeps those from work who are looked at. */
const lookEveryMs = 250;

const input = (nr: number): TransferInput => ({
  from: "account-1",
  to: "account-2",
  amount: 100,
  fee: 1,
  net: 99,
  isRefused: false,
  feeFailures: 0,
  rate: 0,
  isOnce: nr % 3 === 0,
  restMs: 0,
  awaits: "",
  notifyFails: false,
});

test(`${runs} unfinished runs after kill -9 are carried on`, { timeout: 600_000 }, async () => {
  sayReplay("reactors-resume");
  const directory = await mkdtemp(join(tmpdir(), "viable-reactors-"));
  const sink = { path: join(directory, "sink.socket"), file: join(directory, "calls") };
  const told = nothingTold();
  const desk = new OrderDesk(seededRandom(seed));
  const ticking = globalThis.setInterval(() => desk.tick(Date.now()), 10);
  try {
    await using server = await startPostgres({ own: true, fsync: true });
    await using _sink = await startSink(sink);
    const target: Target = { kind: "postgres", connectionString: server.connectionString };
    const settings = {
      connectionString: server.connectionString,
      sinkPath: sink.path,
      leaseMs,
      maxWorkMs: 0,
      isUnfenced: false,
    };
    const reader = new RunReader();
    const until = async (holds: (events: readonly RunStep[]) => boolean): Promise<number> => {
      for (const giveUpAt = Date.now() + maxWaitMs; ; await setTimeout(lookEveryMs)) {
        await reader.read(target);
        const left = [...reader.runs.values()].filter((events) => !holds(events)).length + runs - reader.runs.size;
        if (left === 0) return Date.now();
        if (Date.now() > giveUpAt) throw new Error(`${left} runs are not there yet: ${told.complaints}`);
      }
    };

    await using held = new WorkerPool({ ...settings, isHeld: true }, 1, told, desk);
    const first = await held.start("first");
    desk.setWorkers([first]);
    const acknowledged = nothingAcknowledged();
    await Promise.all(
      Array.from({ length: runs }, async (_, nr) => {
        const key = `transfer-${nr}`;
        const { runId = "" } = await desk.give({ what: "begin", key, input: input(nr) });
        acknowledged.begun.push({ key, input: input(nr), runId });
      }),
    );
    await until((events) => events.some(({ type }) => type === "step.succeeded"));
    await using others = new WorkerPool({ ...settings, isHeld: false }, 1, told, desk);
    await first.kill();
    const killedMs = Date.now();
    const second = await others.start("second");
    const startedMs = Date.now();
    const resumedMs = await until((events) => claimsOf(events).length > 1);
    const endedMs = await until((events) => events.at(-1)?.type === "run.completed");
    await second.stop();
    await reader.read(target);

    const calls = readFileSync(sink.file, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as SinkCall);
    // By the second: where the machine is busy the first may have lost its lease, and what had no outcome then was called again.
    const bySecond = calls.filter(({ by }) => second.lives.includes(by));
    const again = bySecond.filter(({ step }) => step === "withdraw").length;
    keepResult("reactors-resume", {
      runs,
      leaseMs,
      acknowledged: acknowledged.begun.length,
      resumedMsAfterKill: resumedMs - killedMs,
      resumedMsAfterStart: resumedMs - startedMs,
      endedMsAfterStart: endedMs - startedMs,
      stepsWithAnOutcomeCalledAgain: again,
    });
    expect(told.complaints).toEqual([]);
    expect(judgeRuns(reader.runs, acknowledged, calls, told).slice(0, 20)).toEqual([]);
    // Each run was taken in the middle of its second step, so the second has called something for every one of them.
    expect(new Set(bySecond.map(({ run }) => run)).size).toBe(runs);
    expect(again).toBe(0);
    expect(reader.runs.size).toBe(runs);
  } finally {
    globalThis.clearInterval(ticking);
    await rm(directory, { recursive: true, force: true });
  }
});
