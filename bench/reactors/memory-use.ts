import { setTimeout as sleep } from "node:timers/promises";

/** What a process holds once its garbage is gone. */
export interface MemoryUse {
  readonly residentMb: number;
  readonly heapMb: number;
}

/** Pages are given back to the machine a while after they are empty. */
const settleMs = 1_000;
const bytesPerMb = 1024 * 1024;

/** Of a process that was started with `--expose-gc`. */
export async function useOfMemory(): Promise<MemoryUse> {
  if (globalThis.gc === undefined) throw new Error("Garbage cannot be collected: start the process with --expose-gc.");
  for (let time = 0; time < 3; time++) {
    globalThis.gc();
    await sleep(settleMs);
  }
  const { rss, heapUsed } = process.memoryUsage();
  return { residentMb: rss / bytesPerMb, heapMb: heapUsed / bytesPerMb };
}
