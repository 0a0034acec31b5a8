import type { Registration, RouteDecision } from "@viable/protocol";
import type { Candidate } from "./candidate.ts";
import { leastLoaded } from "./policies/least-loaded.ts";

/** How many candidates a decision records: more explain nothing to a person, and the event is kept for ever. */
const maxRecorded = 8;

/** Chooses among candidates: the lowest score, ties by name, so that the same measurements give the same choice (W8). */
export function chooseRoute(capability: string, candidates: readonly Candidate[]): RouteDecision | undefined {
  const scored = candidates.map((candidate) => ({ candidate, score: leastLoaded(candidate) }));
  scored.sort(
    (a, b) =>
      a.score - b.score || compareText(addressOf(a.candidate.registration), addressOf(b.candidate.registration)),
  );
  const [best] = scored;
  if (best === undefined) return undefined;
  const { service, processId, epoch } = best.candidate.registration;
  return {
    capability,
    policy: "least-loaded",
    chosen: { service, processId, epoch },
    reason:
      scored.length === 1
        ? "the only swarm that offers it"
        : `lowest of ${scored.length} by (tasks + 1) / workers × latency`,
    candidates: scored.slice(0, maxRecorded).map(({ candidate: { registration, measurement }, score }) => ({
      service: registration.service,
      processId: registration.processId,
      score: Math.round(score * 1000) / 1000,
      running: measurement.running,
      queued: measurement.queued,
      workers: measurement.workers,
      latencyMs: Math.round(measurement.latencyMs * 1000) / 1000,
    })),
  };
}

const addressOf = (registration: Registration): string => `${registration.service}/${registration.processId}`;
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
