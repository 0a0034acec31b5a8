import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "@viable/kernel";
import { dataOf } from "./sample-events.ts";

/** Appends at a steady pace, one stream, each carrying when it was sent. */
export interface PacedLoad {
  readonly run: string;
  readonly events: number;
  readonly everyMs: number;
}

/** How long after the last append everything must have arrived, in milliseconds. */
const arrivalMs = 30_000;

/** The machine's monotonic clock, which all its processes share, in microseconds. */
const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);

/** `append` is given the data to write at a version of the run's stream. */
export async function appendPaced(
  { run, events, everyMs }: PacedLoad,
  append: (stream: string, version: number, data: JsonObject) => Promise<void>,
): Promise<void> {
  const beganUs = nowUs();
  for (let version = 0; version < events; version++) {
    const dueMs = version * everyMs - (nowUs() - beganUs) / 1_000;
    if (dueMs > 0) await sleep(dueMs);
    await append(run, version, dataOf(version + 1, { run, sentUs: nowUs() }));
  }
}

/** What a subscriber saw of one run: each event once and in order, or the measurement is worth nothing. */
export function createArrivals({ run, events }: Pick<PacedLoad, "run" | "events">) {
  const latenciesMs: number[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Told to whoever asks for `all`.
  promise.catch(() => {});
  return {
    take(data: JsonObject): void {
      if (data.run !== run) return;
      latenciesMs.push((nowUs() - Number(data.sentUs)) / 1_000);
      if (data.n !== latenciesMs.length)
        reject(new Error(`Event ${data.n} of ${run} came as number ${latenciesMs.length}.`));
      if (latenciesMs.length === events) resolve();
    },
    fail: reject,
    /** How long each event took, once all are there. */
    async all(): Promise<readonly number[]> {
      const timer = setTimeout(
        () => reject(new Error(`${latenciesMs.length} of ${events} events arrived within ${arrivalMs} ms.`)),
        arrivalMs,
      );
      await promise;
      clearTimeout(timer);
      return latenciesMs;
    },
  };
}
