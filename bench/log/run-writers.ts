import { createHistogram, performance } from "node:perf_hooks";

/** For how long: a time, or a number of events where the log must not grow by more. */
export type Span = { readonly ms: number } | { readonly events: number };

/** Writers, each with a stream of its own, each appending one event at the version it knows and the next when it has its answer. */
export interface WriterLoad {
  /** Names this run's streams, so that every run begins new ones. */
  readonly run: string;
  readonly writers: number;
  readonly warmUp: Span;
  readonly measured: Span;
}

export interface Appended {
  readonly perSecond: number;
  /** Every append that was acknowledged, the warm-up's included. */
  readonly acknowledged: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Appends event number `n` as version `version + 1` of a stream; throws where the answer is not that. */
export type AppendOne = (stream: string, version: number, n: number) => Promise<void>;

/** All subjects write by this one, each in its own process. */
export async function runWriters({ run, writers, warmUp, measured }: WriterLoad, append: AppendOne): Promise<Appended> {
  const histogram = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 });
  let phase: "warm-up" | "measured" | "over" = "warm-up";
  let beganMs = performance.now();
  let count = 0;
  let acknowledged = 0;
  let nextNumber = 1;
  let elapsedMs = 0;

  const enter = (next: typeof phase, nowMs: number) => {
    elapsedMs = nowMs - beganMs;
    phase = next;
    beganMs = nowMs;
    if (next === "measured") count = 0;
  };
  const runWriter = async (writer: number) => {
    for (let version = 0; ; version++) {
      const sentMs = performance.now();
      await append(`${run}:${writer}`, version, nextNumber++);
      acknowledged += 1;
      if (phase === "over") return;
      const nowMs = performance.now();
      count += 1;
      if (phase === "measured") histogram.record(Math.max(1, Math.round((nowMs - sentMs) * 1_000)));
      const span = phase === "measured" ? measured : warmUp;
      if ("ms" in span ? nowMs - beganMs < span.ms : count < span.events) continue;
      if (phase === "measured") {
        enter("over", nowMs);
        return;
      }
      enter("measured", nowMs);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => runWriter(writer)));
  return {
    acknowledged,
    perSecond: (count * 1_000) / elapsedMs,
    p50Ms: histogram.percentile(50) / 1_000,
    p99Ms: histogram.percentile(99) / 1_000,
  };
}
