import type { Random } from "./random.ts";

/** How long to wait before trying again. All three bounds are required: an unbounded retry is an outage in waiting (W10). */
export interface Backoff {
  /** The wait after the first failure, in milliseconds. */
  baseMs: number;
  /** No wait is longer than this. */
  maxMs: number;
  /** How many tries there are in all, the first included. */
  maxAttempts: number;
}

/** What we use where nothing else is said: 50 ms to 5 s, five tries, so that a caller knows within about ten seconds. */
export const defaultBackoff: Backoff = { baseMs: 50, maxMs: 5_000, maxAttempts: 5 };

/**
 * The wait after failure number `failures` (from 1), or undefined when there shall be no further try. Exponential with full
 * jitter, so that callers that failed together do not come back together (Brooker, "Exponential Backoff And Jitter", 2015).
 */
export function backoffMs(backoff: Backoff, failures: number, random: Random): number | undefined {
  if (failures >= backoff.maxAttempts) return undefined;
  const ceiling = Math.min(backoff.maxMs, backoff.baseMs * 2 ** Math.min(failures - 1, 30));
  return random.next() * ceiling;
}
