import type { MigrationRule, RouteCandidate, RouteDecision } from "@viable/protocol";
import type { Candidate, LeftOut } from "./candidate.ts";
import { compareText } from "./candidate.ts";
import { leastLoaded, standingOf } from "./policies/least-loaded.ts";
import type { PolicyName } from "./policies/policies.ts";
import { policies } from "./policies/policies.ts";
import type { Scored } from "./policies/policy.ts";
import { shareOf } from "./share-of.ts";

/** What is known of a task beside what it asks for. */
export interface RoutedTask {
  /** What it is known by, as its execution's id: chance and migration rules go by it. Without one no migration rule has a say. */
  readonly key?: string | undefined;
  /** The one service that may do it. */
  readonly service?: string | undefined;
  /** The one process that may: for what concerns that process itself. */
  readonly process?: string | undefined;
  /** Whose task it is: it goes where that tenant may go (W11). Where absent, to what is open to all of them. */
  readonly tenant?: string | undefined;
  /** Why a process would not take it now, where whoever routes it knows that it would not: it is passed over where another is there. */
  whyNot?(processId: string): string | undefined;
  /** Whether it is no task but a query: it waits for no worker, so it is no load for tasks, and `stats` does not count it. Default false. */
  readonly isQuery?: boolean | undefined;
  /** Whether it is not begun now, but when somebody has said so: no load until then, and no swarm is tried by it. Default false. */
  readonly isPutOff?: boolean | undefined;
}

/** How one of several is chosen. */
export interface HowToChoose {
  readonly policy: PolicyName;
  readonly weights: { readonly [service: string]: number };
  /** Who may take it by name; all of them where absent. A legacy one that is named here or by its weight is chosen as any other. */
  readonly services?: readonly string[] | undefined;
  /** The rule that says so: named in the reason, and in what chance is drawn from. */
  readonly rule?: string;
}

/** How many candidates a decision records, and how many that were left out: more explain nothing to a person, and the event is kept for ever. */
export const maxRecorded = 8;

/** Those that a task is to be chosen for among, best first, and what made it so. */
interface Side {
  readonly from: readonly Scored[];
  readonly reason: string;
  readonly why?: Pick<RouteDecision, "pinned" | "migration">;
}

const byLoad: HowToChoose = { policy: "least-loaded", weights: {} };

/**
 * Chooses a swarm for a task. A service that is asked for by name is the only one that counts. Otherwise legacy services that no rule names get what nobody
 * else offers, and what the migration rule of the service that would get it sends to them, by the task's key: the same key always goes
 * to the same side (W8), and one that stays at some percentage stays at every higher one.
 *
 * `leftOut` are those that offer it and are not among the candidates, and why: they are told with the decision.
 *
 * On each side the policy chooses. Scores tell the load, the lowest is best; of equals one of this process, then the one that has done least, so
 * that a new one gets its first tasks, then by name. What goes by chance goes by the task's key, and by load where it has none: the same
 * measurements and the same task give the same choice (W8). One that is to be tried gets the task before any other of its side.
 */
export function chooseRoute(
  capability: string,
  candidates: readonly Candidate[],
  task: RoutedTask = {},
  ruleOf: (service: string) => MigrationRule | undefined = () => undefined,
  how: HowToChoose = byLoad,
  leftOut: readonly LeftOut[] = [],
): RouteDecision | undefined {
  const scoreOf = standingOf(candidates);
  const scored = candidates.map((candidate): Scored => ({ candidate, score: scoreOf(candidate) })).sort(compare);
  const { from, reason, why } = chooseSide(scored, task, ruleOf, how, leftOut.length > 0);
  const tried = task.key === undefined ? undefined : from.find(({ candidate }) => candidate.probe !== undefined);
  const best = tried ?? from[0];
  if (best === undefined) return undefined;
  const { service, processId, epoch } = best.candidate.registration;
  const because = tried === undefined ? reason : `probe: ${tried.candidate.probe}`;
  return {
    capability,
    policy: how.policy,
    chosen: { service, processId, epoch },
    reason: how.rule === undefined ? because : `rule ${how.rule}: ${because}`,
    candidates: firstOf([best], from, scored).map(toRecorded),
    ...(how.rule !== undefined && { rule: how.rule }),
    ...(tried !== undefined && { probe: true }),
    ...why,
    ...(leftOut.length > 0 && { leftOut: leftOut.slice(0, maxRecorded) }),
  };
}

/** Whether it gets only what nobody else offers, and what a migration rule sends to it. */
export const isSetAside = (
  { registration: { service, legacy } }: Candidate,
  { weights, services }: HowToChoose = byLoad,
): boolean => legacy === true && !Object.hasOwn(weights, service) && services?.includes(service) !== true;

function chooseSide(
  scored: readonly Scored[],
  { key, service: pinned, process }: RoutedTask,
  ruleOf: (service: string) => MigrationRule | undefined,
  how: HowToChoose,
  someLeftOut: boolean,
): Side {
  const takes = someLeftOut ? "may take it" : "offers it";
  const rank = (from: readonly Scored[], side: string | undefined): Pick<Side, "from" | "reason"> => {
    if (from.length < 2) return { from, reason: side ?? `the only swarm that ${takes}` };
    const named = policies[how.policy];
    // Without a key there is nothing to draw by, and the same one would be drawn each time.
    const policy = named.draws && key === undefined ? leastLoaded : named;
    // Another rule draws another task: what two rules give a tenth of is not the same tenth.
    const chance = policy.draws && key !== undefined ? shareOf(`${how.rule ?? ""} ${how.policy}`, key) / 100 : 0;
    const { ranked, reason } = policy.rank(from, { chance, weights: how.weights });
    return { from: ranked, reason: side === undefined ? reason : `${side}; ${reason}` };
  };
  if (pinned !== undefined) {
    const from = scored.filter(({ candidate }) => candidate.registration.service === pinned);
    const where = process === undefined ? pinned : `${pinned} in ${process}`;
    return { ...rank(from, `asked of ${where} by name`), why: { pinned } };
  }
  const legacy = scored.filter(({ candidate }) => isSetAside(candidate, how));
  const current = legacy.length === 0 ? scored : scored.filter(({ candidate }) => !isSetAside(candidate, how));
  if (current.length === 0) return rank(legacy, `fallback: no live swarm but the legacy one ${takes}`);
  const ranked = rank(current, undefined);
  const service = ranked.from[0]?.candidate.registration.service ?? "";
  const rule = key === undefined ? undefined : ruleOf(service);
  if (rule === undefined || key === undefined || legacy.length === 0) {
    const aside = legacy.length === 0 ? "" : ", the legacy one aside";
    const legacyNamed = current.some(({ candidate }) => candidate.registration.legacy === true);
    const hasNoSay = legacyNamed ? "has no say over a legacy one that is named" : "finds no legacy one";
    const unmoved = rule === undefined ? "" : `; its migration rule ${hasNoSay}`;
    return { from: ranked.from, reason: ranked.reason + aside + unmoved };
  }
  const { percent } = rule;
  const side = shareOf(service, key) < percent ? "service" : "legacy";
  const stays = `migration: ${percent} % of the tasks of ${service} stay with it`;
  const why = { migration: { service, percent, side } } as const;
  if (side === "service") return { ...rank(current, `${stays}, this one does`), why };
  const moved = rank(legacy, undefined).from;
  const to = moved[0]?.candidate.registration.service ?? "";
  return { ...rank(legacy, `${stays}, this one goes to ${to}`), why };
}

function compare(a: Scored, b: Scored): number {
  return (
    a.score - b.score ||
    Number(b.candidate.local) - Number(a.candidate.local) ||
    done(a.candidate) - done(b.candidate) ||
    compareText(a.candidate.key, b.candidate.key)
  );
}

/** As many as a decision records, each once, in the order given. */
function firstOf(...lists: readonly (readonly Scored[])[]): readonly Scored[] {
  const first: Scored[] = [];
  for (const list of lists) {
    for (const each of list) {
      if (first.length === maxRecorded) return first;
      if (!first.includes(each)) first.push(each);
    }
  }
  return first;
}

const toRecorded = ({ candidate, score }: Scored): RouteCandidate => {
  const { registration, measurement, local, routed } = candidate;
  const recorded: RouteCandidate = {
    service: registration.service,
    processId: registration.processId,
    score: roundToMicros(score),
    running: measurement?.running ?? 0,
    queued: measurement?.queued ?? 0,
    workers: measurement?.workers ?? 0,
    latencyMs: roundToMicros(measurement?.latencyMs ?? 0),
  };
  if (!local) recorded.routed = routed;
  if (registration.legacy === true) recorded.legacy = true;
  return recorded;
};

/** Digits beyond a microsecond of what is in milliseconds say nothing, and each event would hold them. */
const roundToMicros = (ms: number): number => Math.round(ms * 1000) / 1000;
const done = ({ measurement }: Candidate): number => (measurement?.completed ?? 0) + (measurement?.failed ?? 0);
