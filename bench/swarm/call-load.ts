import { createHistogram, performance } from "node:perf_hooks";
import type { Message } from "./message.ts";
import { checkAnswer, messageOf } from "./message.ts";

/** A load: so many callers, each asking the next question when it has its answer. */
export interface CallLoad {
  readonly concurrent: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

export interface CallsDriven {
  /** Answers that came in the measured time. */
  readonly perSecond: number;
  /** Every right answer, those of the warm-up and the last ones included. */
  readonly answers: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export type Call = (message: Message) => Promise<Message>;

/** Spread over loads, so that no two calls are given the same. */
let nextNumber = 1;

/** All subjects are driven by this one, each in its own process. */
export async function driveCalls({ concurrent, warmUpMs, measuredMs }: CallLoad, call: Call): Promise<CallsDriven> {
  const histogram = createHistogram({ lowest: 1, highest: 600_000_000, figures: 3 });
  const startMs = performance.now() + warmUpMs;
  const endMs = startMs + measuredMs;
  let answers = 0;
  let measured = 0;
  const drive = async () => {
    for (let sentMs = performance.now(); sentMs < endMs; ) {
      const message = messageOf(nextNumber++);
      checkAnswer(message, await call(message));
      const nowMs = performance.now();
      answers += 1;
      if (nowMs >= startMs && nowMs < endMs) {
        measured += 1;
        histogram.record(Math.max(1, Math.round((nowMs - sentMs) * 1_000)));
      }
      sentMs = nowMs;
    }
  };
  await Promise.all(Array.from({ length: concurrent }, drive));
  return {
    perSecond: (measured * 1_000) / measuredMs,
    answers,
    p50Ms: histogram.percentile(50) / 1_000,
    p99Ms: histogram.percentile(99) / 1_000,
  };
}

/** Calls between two looks at the clock, where one takes less time than the look. */
const callsBetweenLooks = 1_000;

/** One caller, of calls so short that a look at the clock for each would be a good part of them. No latencies. */
export async function driveShortCalls(
  { warmUpMs, measuredMs }: Omit<CallLoad, "concurrent">,
  call: Call,
): Promise<Pick<CallsDriven, "perSecond" | "answers">> {
  let answers = 0;
  const driveFor = async (ms: number): Promise<number> => {
    const startMs = performance.now();
    const before = answers;
    let nowMs = startMs;
    while (nowMs - startMs < ms) {
      for (let index = 0; index < callsBetweenLooks; index++) {
        const message = messageOf(answers);
        checkAnswer(message, await call(message));
        answers += 1;
      }
      nowMs = performance.now();
    }
    return ((answers - before) * 1_000) / (nowMs - startMs);
  };
  await driveFor(warmUpMs);
  return { perSecond: await driveFor(measuredMs), answers };
}
