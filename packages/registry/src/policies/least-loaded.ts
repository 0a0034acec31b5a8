import type { Candidate } from "../candidate.ts";

/**
 * Least loaded: how long a task would stand here, as far as this process has measured it. The tasks before it and itself,
 * over the workers that share them, times what one takes. A swarm that has measured nothing yet counts as fast, so that a new one gets
 * its first tasks.
 */
export function leastLoaded(candidate: Candidate): number {
  const { running, queued, workers, latencyMs } = candidate.measurement;
  return ((running + queued + 1) / Math.max(1, workers)) * Math.max(1, latencyMs);
}
