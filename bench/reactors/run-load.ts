import { createHistogram, performance } from "node:perf_hooks";

/** A load: so many callers, each beginning a run of so many steps when its last one has ended, and it has the result. */
export interface RunLoad {
  readonly steps: number;
  readonly concurrent: number;
  readonly warmUpMs: number;
  /** At least, and until as many runs have ended as there are callers: some subjects take longer for those. */
  readonly measuredMs: number;
}

export interface RunsDriven {
  /** Runs whose result came in the measured time. */
  readonly perSecond: number;
  /** Every run, those of the warm-up and the last ones included. */
  readonly completed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Begins a run of so many steps, each of which adds one to its number, and resolves with the last one's number. */
export type RunOnce = (steps: number, n: number) => Promise<number>;

/** Spread over loads, so that no two runs are given the same. */
let nextNumber = 1;

/** All subjects are driven by this one, each in its own process. */
export async function driveRuns(
  { steps, concurrent, warmUpMs, measuredMs }: RunLoad,
  runOnce: RunOnce,
): Promise<RunsDriven> {
  const histogram = createHistogram({ lowest: 1, highest: 600_000_000, figures: 3 });
  const isOver = () => phase === "over";
  let phase: "warm-up" | "measured" | "over" = "warm-up";
  let phaseBeganMs = performance.now();
  let elapsedMs = 0;
  let count = 0;
  let completed = 0;

  const drive = async () => {
    for (let beganMs = performance.now(); !isOver(); ) {
      const n = nextNumber++;
      const result = await runOnce(steps, n);
      if (result !== n + steps) throw new Error(`${n} and ${steps} steps came to ${JSON.stringify(result)}.`);
      const nowMs = performance.now();
      completed += 1;
      if (isOver()) return;
      count += 1;
      if (phase === "measured") histogram.record(Math.max(1, Math.round((nowMs - beganMs) * 1_000)));
      beganMs = nowMs;
      elapsedMs = nowMs - phaseBeganMs;
      if (elapsedMs < (phase === "measured" ? measuredMs : warmUpMs) || count < concurrent) continue;
      if (phase === "measured") {
        phase = "over";
        return;
      }
      phase = "measured";
      phaseBeganMs = nowMs;
      count = 0;
    }
  };
  await Promise.all(Array.from({ length: concurrent }, drive));
  return {
    completed,
    perSecond: (count * 1_000) / elapsedMs,
    p50Ms: histogram.percentile(50) / 1_000,
    p99Ms: histogram.percentile(99) / 1_000,
  };
}
