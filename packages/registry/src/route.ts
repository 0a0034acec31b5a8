import type { RouteCandidate, RouteDecision } from "@viable/protocol";
import type { Candidate } from "./candidate.ts";
import { leastLoaded, remoteClaimMs } from "./policies/least-loaded.ts";

/** How many candidates a decision records: more explain nothing to a person, and the event is kept for ever. */
const maxRecorded = 8;

interface Scored {
  readonly candidate: Candidate;
  readonly score: number;
}

/**
 * Chooses among candidates: the lowest score; of equals one of this process, then the one that has done least, so that a new
 * one gets its first tasks, then by name, so that the same measurements give the same choice (W8).
 */
export function chooseRoute(capability: string, candidates: readonly Candidate[]): RouteDecision | undefined {
  const scoreOf = leastLoaded(candidates);
  const scored = candidates.map((candidate): Scored => ({ candidate, score: scoreOf(candidate) })).sort(compare);
  const [best] = scored;
  if (best === undefined) return undefined;
  const { service, processId, epoch } = best.candidate.registration;
  return {
    capability,
    policy: "least-loaded",
    chosen: { service, processId, epoch },
    reason: explain(candidates),
    candidates: scored.slice(0, maxRecorded).map(toRecorded),
  };
}

function compare(a: Scored, b: Scored): number {
  return (
    a.score - b.score ||
    Number(b.candidate.local) - Number(a.candidate.local) ||
    done(a.candidate) - done(b.candidate) ||
    compareText(addressOf(a.candidate), addressOf(b.candidate))
  );
}

function explain(candidates: readonly Candidate[]): string {
  if (candidates.length === 1) return "the only swarm that offers it";
  const handing = candidates.every(({ local }) => local) ? "" : `, and ${remoteClaimMs} ms more in another process`;
  return `lowest of ${candidates.length} by (tasks + 1) / workers × latency${handing}`;
}

const toRecorded = ({ candidate: { registration, measurement, local, routed }, score }: Scored): RouteCandidate => ({
  service: registration.service,
  processId: registration.processId,
  score: roundToMicros(score),
  running: measurement?.running ?? 0,
  queued: measurement?.queued ?? 0,
  workers: measurement?.workers ?? 0,
  latencyMs: roundToMicros(measurement?.latencyMs ?? 0),
  ...(!local && { routed }),
});

/** Digits beyond a microsecond of what is in milliseconds say nothing, and each event would hold them. */
const roundToMicros = (ms: number): number => Math.round(ms * 1000) / 1000;
const done = ({ measurement }: Candidate): number => (measurement?.completed ?? 0) + (measurement?.failed ?? 0);
const addressOf = ({ registration }: Candidate): string => `${registration.service}/${registration.processId}`;
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
