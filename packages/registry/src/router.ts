import type { Clock } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { MigrationRule, RegistryStats, RouteDecision } from "@viable/protocol";
import type { Candidate, LeftOut } from "./candidate.ts";
import { entryKey } from "./entry-record.ts";
import type { Entry } from "./entry-table.ts";
import type { KnownSwarms } from "./known-swarms.ts";
import { leaveOutliersOut } from "./leave-outliers-out.ts";
import { passOver } from "./pass-over.ts";
import type { RoutedTask } from "./route.ts";
import { chooseRoute, maxRecorded } from "./route.ts";
import type { RoutingRule } from "./routing-rules.ts";
import { applyRuling, indexRules } from "./routing-rules.ts";

/** What came of looking for a swarm to take a task. */
export type RouteOutcome =
  | { readonly ok: true; readonly decision: RouteDecision; readonly local: boolean }
  | {
      readonly ok: false;
      /** Nobody offers it who may take it now; or none is known while the log cannot be read; or a rule of the config says that nobody may. */
      readonly code: "registry.no_swarm" | "registry.out_of_date" | "registry.refused";
      readonly reasons: readonly string[];
      readonly near: readonly string[];
    };

export interface RouterSettings {
  readonly log: Pick<Log, "stats">;
  readonly known: KnownSwarms;
  readonly rules: readonly RoutingRule[];
  migrationOf(service: string): MigrationRule | undefined;
  readonly clock: Pick<Clock, "monotonicMs">;
}

/** Where tasks go: what `chooseRoute` decides of the swarms that are known now. */
export interface Router {
  /** As `Registry.route` promises it. */
  route(capability: string, task: RoutedTask): RouteOutcome;
  stats(): Pick<RegistryStats, "routed" | "refused" | "local" | "meanRouteMs">;
}

export function createRouter({ log, known, rules, migrationOf, clock }: RouterSettings): Router {
  const { entries, outliers } = known;
  const rulingOf = indexRules(rules);
  const counts = { routed: 0, refused: 0, local: 0, meanRouteMs: 0 };

  const toCandidate = (entry: Entry, isQuery: boolean): Candidate => {
    if (entry.local)
      return {
        key: entry.key,
        registration: known.registrationOf(entry),
        measurement: entry.measure(),
        local: true,
        routed: 0,
      };
    return isQuery ? { ...entry, routed: entry.routed + entry.queried } : entry;
  };
  const routeNow = (capability: string, task: RoutedTask): RouteOutcome => {
    const ruling = rulingOf(capability, task.tenant);
    const { rule } = ruling;
    if (rule?.refuse !== undefined) {
      const reasons = [`The rule "${rule.name}" refuses "${capability}": ${rule.refuse}`];
      return { ok: false, code: "registry.refused", reasons, near: [] };
    }
    const isQuery = task.isQuery === true;
    const candidates = known.offering(capability, task.tenant).map((entry) => toCandidate(entry, isQuery));
    const { allowed, leftOut: ruledOut } = applyRuling(ruling, candidates);
    const how = rule && { policy: rule.policy, weights: rule.weights, services: rule.to.services, rule: rule.name };
    // Who is asked for by name is the only one there is, and the last of its kind may not be left out.
    const asked = allowed.filter(
      ({ registration: { service, processId } }) =>
        (task.service === undefined || service === task.service) &&
        (task.process === undefined || processId === task.process),
    );
    const { allowed: willing, leftOut: passedOver } =
      task.whyNot === undefined ? { allowed: asked, leftOut: [] } : passOver(asked, task.whyNot, how);
    const atMs = clock.monotonicMs();
    const { allowed: whole, leftOut: outliersOut } = leaveOutliersOut(
      willing,
      ({ key }) => outliers.standing(key, atMs, task.key),
      how,
    );
    const leftOut = [...ruledOut, ...passedOver, ...outliersOut];
    const decision = chooseRoute(capability, whole, task, migrationOf, how, leftOut);
    if (decision === undefined) {
      const meant = ruledOut.filter(({ service }) => task.service === undefined || service === task.service);
      if (meant.length > 0) return noneAllowed(capability, meant);
      if (task.service !== undefined && allowed.length > 0)
        return notThere(capability, task.service, task.process, allowed);
      const near = known.near(capability, task.tenant);
      const reasons = [`No running swarm offers "${capability}".`];
      if (near.length > 0) reasons.push(`Near to it: ${near.join(", ")}.`);
      return { ok: false, code: "registry.no_swarm", reasons, near };
    }
    const key = entryKey(decision.chosen.service, decision.chosen.processId);
    if (task.isPutOff === true) return { ok: true, decision, local: entries.get(key)?.local === true };
    if (decision.probe === true && task.key !== undefined) outliers.beginProbe(key, task.key, atMs);
    const entry = entries.get(key);
    if (entry?.local === false) {
      if (isQuery) entry.queried += 1;
      else entry.routed += 1;
    }
    return { ok: true, decision, local: entry?.local === true };
  };

  return {
    route(capability, task) {
      const startedMs = clock.monotonicMs();
      const outcome = judgeKnown(routeNow(capability, task), log);
      if (task.isQuery === true) return outcome;
      counts.routed += 1;
      counts.meanRouteMs += (clock.monotonicMs() - startedMs - counts.meanRouteMs) / counts.routed;
      if (!outcome.ok) counts.refused += 1;
      else if (outcome.local) counts.local += 1;
      return outcome;
    },
    stats: () => ({ ...counts }),
  };
}

/** What is known of swarms runs out while the log cannot be read: that there is none is no more than that this process knows of none. */
function judgeKnown(outcome: RouteOutcome, log: Pick<Log, "stats">): RouteOutcome {
  if (outcome.ok || outcome.code !== "registry.no_swarm") return outcome;
  const failure = log.stats().readFailure;
  if (failure === undefined) return outcome;
  const since = new Date(failure.since).toISOString();
  const outOfDate = `What this process knows of swarms is out of date: the log cannot be read since ${since} (${failure.message}).`;
  return { ...outcome, code: "registry.out_of_date", reasons: [outOfDate, ...outcome.reasons] };
}

/** Somebody offers it, and a rule lets none of them take it. */
function noneAllowed(capability: string, leftOut: readonly LeftOut[]): RouteOutcome {
  const told = leftOut
    .slice(0, maxRecorded)
    .map(({ service, processId, reason }) => `${service} in ${processId}: ${reason}.`);
  return {
    ok: false,
    code: "registry.no_swarm",
    reasons: [`No running swarm may take "${capability}".`, ...told],
    near: [],
  };
}

/** Somebody offers it, but not the one that was asked for by name. */
function notThere(
  capability: string,
  service: string,
  process: string | undefined,
  candidates: readonly Candidate[],
): RouteOutcome {
  if (process !== undefined) {
    const processes = candidates.map(({ registration }) => registration.processId).join(", ");
    const reasons = [`No swarm of ${service} runs in ${process}.`, `It does in ${processes}.`];
    return { ok: false, code: "registry.no_swarm", reasons, near: [] };
  }
  const others = [...new Set(candidates.map(({ registration }) => registration.service))].sort();
  const reasons = [`No running swarm of ${service} offers "${capability}".`, `These do: ${others.join(", ")}.`];
  return { ok: false, code: "registry.no_swarm", reasons, near: [] };
}
