import { createHistogram, performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Message } from "./message.ts";
import { checkAnswer, messageOf } from "./message.ts";

/** A load that does not wait for answers: so many calls a second, evenly, whatever became of the ones before. */
export interface RateLoad {
  readonly perSecond: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

export interface RateDriven {
  readonly answers: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of what the call itself says it waited; undefined where it says nothing. */
  readonly waitedP99Ms: number | undefined;
  /** Answers a second: what was asked for, or less where it was too much. */
  readonly perSecond: number;
}

/** Between two looks at what is due, in milliseconds. */
const tickMs = 1;

/** Latency counts from when a call was due, so one that had to wait for its turn counts that, too. */
export async function driveAtRate(
  { perSecond, warmUpMs, measuredMs }: RateLoad,
  call: (message: Message) => Promise<{ answer: Message; waitedMs: number | undefined }>,
): Promise<RateDriven> {
  const histogram = createHistogram({ lowest: 1, highest: 600_000_000, figures: 3 });
  const waited = createHistogram({ lowest: 1, highest: 600_000_000, figures: 3 });
  const everyMs = 1_000 / perSecond;
  const startMs = performance.now();
  const count = Math.floor((warmUpMs + measuredMs) / everyMs);
  const calls: Promise<void>[] = [];
  let failed: Error | undefined;
  const fail = (error: Error) => {
    failed ??= error;
  };
  const callOne = async (n: number, dueMs: number) => {
    const message = messageOf(n);
    const { answer, waitedMs } = await call(message);
    checkAnswer(message, answer);
    if (dueMs < startMs + warmUpMs) return;
    histogram.record(Math.max(1, Math.round((performance.now() - dueMs) * 1_000)));
    if (waitedMs !== undefined) waited.record(Math.max(1, Math.round(waitedMs * 1_000)));
  };
  for (let n = 0; n < count; ) {
    for (const nowMs = performance.now(); n < count && startMs + n * everyMs <= nowMs; n++)
      calls.push(callOne(n, startMs + n * everyMs).catch(fail));
    await sleep(tickMs);
  }
  await Promise.all(calls);
  if (failed !== undefined) throw failed;
  return {
    answers: count,
    p50Ms: histogram.percentile(50) / 1_000,
    p99Ms: histogram.percentile(99) / 1_000,
    waitedP99Ms: waited.count === 0 ? undefined : waited.percentile(99) / 1_000,
    perSecond: (count * 1_000) / (performance.now() - startMs),
  };
}
