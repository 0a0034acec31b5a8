import { setTimeout as sleep } from "node:timers/promises";

/** What a process holds once its garbage is gone. */
export interface MemoryUse {
  readonly residentMb: number;
  readonly heapMb: number;
  /** Resident once V8 has given back the pages that it keeps for when its heap grows again, as it does where memory runs out. */
  readonly neededMb: number;
}

/** Pages are given back to the machine a while after they are empty. */
const settleMs = 1_000;
const bytesPerMb = 1024 * 1024;

/** Of a process that was started with `--expose-gc`. */
export async function useOfMemory(): Promise<MemoryUse> {
  const collect = collector();
  for (let time = 0; time < 3; time++) {
    collect();
    await sleep(settleMs);
  }
  const { rss, heapUsed } = process.memoryUsage();
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
  return {
    residentMb: rss / bytesPerMb,
    heapMb: heapUsed / bytesPerMb,
    neededMb: process.memoryUsage.rss() / bytesPerMb,
  };
}

/** What is live at this moment; of a process that was started with `--expose-gc`. */
export function liveHeapMb(): number {
  collector()();
  return process.memoryUsage().heapUsed / bytesPerMb;
}

function collector(): NonNullable<typeof globalThis.gc> {
  if (globalThis.gc === undefined) throw new Error("Garbage cannot be collected: start the process with --expose-gc.");
  return globalThis.gc;
}
