import type { MigrationRule, RouteCandidate, RouteDecision } from "@viable/protocol";
import type { Candidate } from "./candidate.ts";
import { leastLoaded, remoteClaimMs } from "./policies/least-loaded.ts";
import { shareOf } from "./share-of.ts";

/** What is known of a task beside what it asks for. */
export interface RoutedTask {
  /** What it is known by, as its execution's id: migration rules go by it. Without one none has a say. */
  readonly key?: string | undefined;
  /** The one service that may do it. */
  readonly service?: string | undefined;
  /** Whose task it is: it goes where that tenant may go (W11). Where absent, to what is open to all of them. */
  readonly tenant?: string | undefined;
}

/** How many candidates a decision records: more explain nothing to a person, and the event is kept for ever. */
const maxRecorded = 8;

interface Scored {
  readonly candidate: Candidate;
  readonly score: number;
}

/** Those that a task is to be chosen for among, best first, and what made it so. */
interface Side {
  readonly from: readonly Scored[];
  readonly reason: string;
  readonly why?: Pick<RouteDecision, "pinned" | "migration">;
}

/**
 * Chooses a swarm for a task. A service that is asked for by name is the only one that counts. Otherwise legacy services get what nobody
 * else offers, and what the migration rule of the service that would get it sends to them, by the task's key: the same key always goes
 * to the same side (W8), and one that stays at some percentage stays at every higher one.
 *
 * On each side the lowest score wins; of equals one of this process, then the one that has done least, so that a new one gets its first
 * tasks, then by name, so that the same measurements give the same choice (W8).
 */
export function chooseRoute(
  capability: string,
  candidates: readonly Candidate[],
  task: RoutedTask = {},
  ruleOf: (service: string) => MigrationRule | undefined = () => undefined,
): RouteDecision | undefined {
  const scoreOf = leastLoaded(candidates);
  const scored = candidates.map((candidate): Scored => ({ candidate, score: scoreOf(candidate) })).sort(compare);
  const { from, reason, why } = chooseSide(scored, task, ruleOf);
  const [best] = from;
  if (best === undefined) return undefined;
  const { service, processId, epoch } = best.candidate.registration;
  return {
    capability,
    policy: "least-loaded",
    chosen: { service, processId, epoch },
    reason,
    candidates: [...from, ...scored.filter((each) => !from.includes(each))].slice(0, maxRecorded).map(toRecorded),
    ...why,
  };
}

function chooseSide(
  scored: readonly Scored[],
  { key, service: pinned }: RoutedTask,
  ruleOf: (service: string) => MigrationRule | undefined,
): Side {
  if (pinned !== undefined) {
    const from = scored.filter(({ candidate }) => candidate.registration.service === pinned);
    return { from, reason: explain(`asked of ${pinned} by name`, from), why: { pinned } };
  }
  const current = scored.filter(({ candidate }) => !isLegacy(candidate));
  const legacy = scored.filter(({ candidate }) => isLegacy(candidate));
  const [best] = current;
  if (best === undefined)
    return { from: legacy, reason: explain("fallback: no live swarm but the legacy one offers it", legacy) };
  const { service } = best.candidate.registration;
  const rule = key === undefined ? undefined : ruleOf(service);
  const [bestLegacy] = legacy;
  if (rule === undefined || key === undefined || bestLegacy === undefined) {
    const aside = legacy.length === 0 ? "" : ", the legacy one aside";
    const unmoved = rule === undefined ? "" : "; its migration rule finds no legacy one";
    return { from: current, reason: explain(undefined, current) + aside + unmoved };
  }
  const { percent } = rule;
  const side = shareOf(service, key) < percent ? "service" : "legacy";
  const from = side === "service" ? current : legacy;
  const goes = side === "service" ? "this one does" : `this one goes to ${bestLegacy.candidate.registration.service}`;
  return {
    from,
    reason: explain(`migration: ${percent} % of the tasks of ${service} stay with it, ${goes}`, from),
    why: { migration: { service, percent, side } },
  };
}

const isLegacy = ({ registration }: Candidate): boolean => registration.legacy === true;

function compare(a: Scored, b: Scored): number {
  return (
    a.score - b.score ||
    Number(b.candidate.local) - Number(a.candidate.local) ||
    done(a.candidate) - done(b.candidate) ||
    compareText(addressOf(a.candidate), addressOf(b.candidate))
  );
}

/** Why these, and why the best of them. */
function explain(side: string | undefined, from: readonly Scored[]): string {
  if (from.length === 1) return side ?? "the only swarm that offers it";
  const handing = from.every(({ candidate }) => candidate.local)
    ? ""
    : `, and ${remoteClaimMs} ms more in another process`;
  const load = `lowest of ${from.length} by (tasks + 1) / workers × latency${handing}`;
  return side === undefined ? load : `${side}; ${load}`;
}

const toRecorded = ({ candidate, score }: Scored): RouteCandidate => {
  const { registration, measurement, local, routed } = candidate;
  return {
    service: registration.service,
    processId: registration.processId,
    score: roundToMicros(score),
    running: measurement?.running ?? 0,
    queued: measurement?.queued ?? 0,
    workers: measurement?.workers ?? 0,
    latencyMs: roundToMicros(measurement?.latencyMs ?? 0),
    ...(!local && { routed }),
    ...(isLegacy(candidate) && { legacy: true }),
  };
};

/** Digits beyond a microsecond of what is in milliseconds say nothing, and each event would hold them. */
const roundToMicros = (ms: number): number => Math.round(ms * 1000) / 1000;
const done = ({ measurement }: Candidate): number => (measurement?.completed ?? 0) + (measurement?.failed ?? 0);
const addressOf = ({ registration }: Candidate): string => `${registration.service}/${registration.processId}`;
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
