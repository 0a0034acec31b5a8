import type { SwarmMeasurement } from "@viable/protocol";
import type { Candidate } from "../candidate.ts";
import type { Policy } from "./policy.ts";

/**
 * What it costs a task that another process takes it, in milliseconds: that process must see it and append a claim, and its outcome must be
 * seen here. Where no word of an append arrives each of them looks once a second, so half a second each time, on average.
 */
export const remoteClaimMs = 1_000;

const unknown: SwarmMeasurement = { workers: 0, running: 0, queued: 0, completed: 0, failed: 0, latencyMs: 0 };

/**
 * How long a task would stand there, in milliseconds, as far as this process knows. The tasks before it and itself, over the workers that
 * share them, times what one takes; and in another process the cost of handing it over. One that is on its way back after it failed gets a
 * share of what it would get, so it scores as much worse.
 *
 * What one takes, where a swarm has ended none: as long as with the fastest candidate. Where none has ended any, as long as handing it over:
 * so a first burst fills the workers here, then goes to both. A swarm of another process that has not told its load scores worse than
 * every one here, since it may have any.
 */
export function standingOf(candidates: readonly Candidate[]): (candidate: Candidate) => number {
  let fastestMs = Number.POSITIVE_INFINITY;
  for (const { measurement } of candidates) {
    if (measurement?.latencyMs) fastestMs = Math.min(fastestMs, measurement.latencyMs);
  }
  const assumedMs = fastestMs === Number.POSITIVE_INFINITY ? remoteClaimMs : fastestMs;
  const standingMs = ({ measurement = unknown, routed }: Candidate) => {
    const { running, queued, workers, latencyMs } = measurement;
    // What ended may have ended before the measurement, too, and been heard of after it.
    const before = Math.max(0, running + queued + routed);
    return ((before + 1) / Math.max(1, workers)) * Math.max(1, latencyMs || assumedMs);
  };
  let worstHereMs = 0;
  for (const candidate of candidates) if (candidate.local) worstHereMs = Math.max(worstHereMs, standingMs(candidate));
  const scoreOf = (candidate: Candidate) => {
    const standing = standingMs(candidate);
    if (candidate.local) return standing;
    return (candidate.measurement === undefined ? Math.max(standing, worstHereMs) : standing) + remoteClaimMs;
  };
  return (candidate) => scoreOf(candidate) / (candidate.share ?? 1);
}

/** The one where a task would stand shortest. */
export const leastLoaded: Policy = {
  name: "least-loaded",
  draws: false,
  rank(scored) {
    const handing = scored.every(({ candidate }) => candidate.local)
      ? ""
      : `, and ${remoteClaimMs} ms more in another process`;
    return { ranked: scored, reason: `lowest of ${scored.length} by (tasks + 1) / workers × latency${handing}` };
  },
};
