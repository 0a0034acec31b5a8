import type { Bus } from "@viable/bus";
import type { Membership, SingletonOffer } from "@viable/cluster";
import type { Runtime } from "@viable/kernel";
import { rootContext, toWire, waitFor } from "@viable/kernel";
import type { Log, Projections } from "@viable/log";
import type { HealthView } from "@viable/protocol";
import type { Reactors, Schedules } from "@viable/reactors";
import type { Sealer } from "@viable/security";
import type { Executions, Swarm } from "@viable/swarm";
import type { SystemPorts } from "./create-system.ts";
import type { SystemDefinition } from "./define-system.ts";
import { durabilityNote } from "./durability-note.ts";
import { version } from "./version.ts";

export interface HealthSources {
  readonly definition: SystemDefinition;
  readonly log: Log;
  readonly store: SystemPorts["store"];
  readonly bus: Bus;
  readonly membership: Membership;
  readonly swarms: ReadonlyMap<string, Swarm>;
  readonly executions: Executions;
  readonly projections: Projections;
  readonly reactors: Reactors;
  readonly schedules: Schedules;
  /** Undefined where the log is not sealed. */
  readonly sealer: Sealer | undefined;
  /** Whether the system has a secret beside its database. */
  readonly hasSecret: boolean;
  /** Services that one process at a time runs, as this one offers them. */
  readonly offers: ReadonlyMap<string, SingletonOffer>;
  readonly runtime: Runtime;
  readonly running: boolean;
  readonly uptimeMs: number;
}

type Check = HealthView["checks"][number];

/** A database that takes longer to answer the simplest question counts as away, in milliseconds. */
const answerWithinMs = 2_000;
const maxLagEvents = 10_000;

/** The health of the system, measured now: each check reads a number or asks the database. */
export async function readHealth(sources: HealthSources): Promise<HealthView> {
  const checks: Check[] = [
    await checkLog(sources),
    ...checkDatabase(sources.store),
    ...checkSeals(sources.sealer),
    checkSecret(sources),
    checkExecutions(sources.executions),
    ...checkReactors(sources),
    ...(await checkSchedules(sources)),
    ...(await checkProjections(sources)),
    checkBus(sources.bus),
    checkMembership(sources.membership),
    ...[...sources.swarms.values()].map(checkSwarm),
    ...[...sources.offers].map(checkOffer),
  ];
  if (!sources.running) checks.push({ name: "system", status: "down", detail: "starting or stopping" });
  const worst = checks.some((check) => check.status === "down")
    ? "down"
    : checks.some((check) => check.status === "degraded")
      ? "degraded"
      : "ok";
  return {
    status: worst,
    system: sources.definition.name,
    version,
    durability: sources.store.durability,
    durabilityNote: durabilityNote(sources.store),
    uptimeMs: Math.round(sources.uptimeMs),
    checks,
  };
}

async function checkLog({ log, runtime }: HealthSources): Promise<Check> {
  const { waitingAppends, flushMs, slowestSubscription, unreadEvents, readFailure } = log.stats();
  const ctx = rootContext(runtime, { deadline: runtime.clock.now() + answerWithinMs });
  let size: number | undefined;
  try {
    await waitFor(ctx, log.head(ctx));
    size = await waitFor(ctx, log.sizeBytes());
  } catch (error) {
    return { name: "log", status: "down", detail: `the database does not answer: ${toWire(error).message}` };
  }
  const lag = (slowestSubscription?.lagEvents ?? 0) + unreadEvents;
  const detail = [
    `${waitingAppends} appends wait`,
    `a flush takes ${flushMs.toFixed(1)} ms`,
    ...(lag > 0 ? [`${slowestSubscription?.name ?? "the tail"} is ${lag} events behind`] : []),
    ...(readFailure === undefined
      ? []
      : [`what is new cannot be read since ${new Date(readFailure.since).toISOString()}: ${readFailure.message}`]),
    ...(size === undefined ? [] : [`${Math.round(size / 1024 / 1024)} MiB`]),
  ].join(", ");
  return { name: "log", status: lag > maxLagEvents || readFailure !== undefined ? "degraded" : "ok", detail };
}

/** There only where the database has something to say: what it does not keep must show, whatever else is well. */
function checkDatabase({ warnings = [] }: SystemPorts["store"]): Check[] {
  if (warnings.length === 0) return [];
  return [{ name: "database", status: "degraded", detail: warnings.map(({ message }) => message).join(" ") }];
}

/** Never worse than degraded: nobody waits for it, and what is not sealed now is sealed later. But what is not sealed shows nothing. */
function checkSeals(sealer: Sealer | undefined): Check[] {
  if (sealer === undefined) return [];
  const { last, unsealed, problem, fileProblem } = sealer.status();
  const detail = [
    last === undefined
      ? "nothing is sealed yet"
      : `seal ${last.number} of ${new Date(last.sealedAt).toISOString()} reaches position ${last.to}`,
    `${unsealed} events since`,
    ...(problem === undefined ? [] : [`no further one at present: ${problem}`]),
    ...(fileProblem === undefined ? [] : [`none goes into the file outside: ${fileProblem}`]),
  ].join(", ");
  return [{ name: "seals", status: problem === undefined && fileProblem === undefined ? "ok" : "degraded", detail }];
}

/** Well without one too: so it is on a server until somebody gives it one. */
const checkSecret = ({ hasSecret }: HealthSources): Check => ({
  name: "secret",
  status: "ok",
  detail: hasSecret
    ? "kept beside the database: who reads that alone can make no token"
    : "none: who reads the database can make tokens, and no credentials can be kept",
});

/** How far behind a projection may be: at 5,000 events a second, two seconds. Twice as long and somebody should look. */
async function checkProjections({ definition, projections, runtime }: HealthSources): Promise<Check[]> {
  if (definition.projections.length === 0) return [];
  const ctx = rootContext(runtime, { deadline: runtime.clock.now() + answerWithinMs });
  try {
    // Generations of another version are other releases' business; where those do not run any more, nobody keeps them.
    const all = (await projections.status(ctx)).filter(({ isKept }) => isKept);
    // Health is told to everybody, and what a projection says of its failure may hold what is a tenant's: it is told by its code.
    const problems = all.flatMap(({ name, state, lagEvents, parked, failure }) => {
      if (parked !== undefined) return [`${name} stands still before event ${parked.position}: ${parked.code}`];
      if (failure !== undefined) return [`${name}: ${failure.code}`];
      return state === "live" && lagEvents > maxLagEvents ? [`${name} is ${lagEvents} events behind`] : [];
    });
    const detail = problems.length === 0 ? `${definition.projections.length} kept` : problems.join("; ");
    return [{ name: "projections", status: problems.length === 0 ? "ok" : "degraded", detail }];
  } catch (error) {
    return [{ name: "projections", status: "degraded", detail: toWire(error).message }];
  }
}

function checkExecutions(executions: Executions): Check {
  const failure = executions.failure();
  if (failure !== undefined)
    return { name: "executions", status: "down", detail: `no longer followed: ${toWire(failure).message}` };
  return { name: "executions", status: "ok", detail: `${executions.openCount()} open` };
}

/** Told where there are reactors, or runs of such that are gone. A picture that is no longer kept carries nothing on, and shows everywhere. */
function checkReactors({ definition, reactors }: HealthSources): Check[] {
  const failure = reactors.failure();
  if (failure !== undefined)
    return [{ name: "reactors", status: "down", detail: `runs are no longer followed: ${toWire(failure).message}` }];
  const { active, resting, open, unreadable, waiting, pools } = reactors.stats();
  if (definition.reactors.length === 0 && open === 0) return [];
  const detail = [
    `${open} runs open`,
    `${active} carried on here and ${resting} resting`,
    ...(unreadable === 0 ? [] : [`${unreadable} that this release cannot read and leaves alone`]),
    ...(waiting === 0 ? [] : [`${waiting} wait to be read`]),
    ...Object.entries(pools).map(
      ([name, { size, used, waiting: queued }]) => `pool ${name}: ${used} of ${size}, ${queued} waiting`,
    ),
  ].join(", ");
  return [{ name: "reactors", status: unreadable === 0 ? "ok" : "degraded", detail }];
}

/** Told where there are schedules. One that cannot go on begins no run, and nobody else may notice. It is told by its code, as of projections. */
async function checkSchedules({ definition, schedules, runtime }: HealthSources): Promise<Check[]> {
  if (definition.schedules.length === 0) return [];
  const ctx = rootContext(runtime, { deadline: runtime.clock.now() + answerWithinMs });
  try {
    const all = await waitFor(ctx, schedules.status(ctx));
    const problems = all.flatMap(({ name, failure }) => (failure === undefined ? [] : [`${name}: ${failure.code}`]));
    const next = Math.min(...all.map((each) => each.next ?? Number.POSITIVE_INFINITY));
    const kept = `${all.length} kept${Number.isFinite(next) ? `, the next run is planned for ${new Date(next).toISOString()}` : ""}`;
    return [
      {
        name: "schedules",
        status: problems.length === 0 ? "ok" : "degraded",
        detail: problems.length === 0 ? kept : problems.join("; "),
      },
    ];
  } catch (error) {
    return [{ name: "schedules", status: "degraded", detail: toWire(error).message }];
  }
}

/** Never less than well: what is lost costs time only (W3). But that it is lost must show (W10). */
function checkBus(bus: Bus): Check {
  const { connected, subscriptions, dropped, handlerErrors } = bus.stats();
  const detail = `${subscriptions} subscriptions, ${dropped} messages dropped, ${handlerErrors} failures of handlers`;
  // Without it the system goes on, slower: who is not told looks each second.
  return connected
    ? { name: "bus", status: "ok", detail }
    : { name: "bus", status: "degraded", detail: `not connected; ${detail}` };
}

function checkMembership(membership: Membership): Check {
  const members = membership.members();
  const late = members.filter(({ state }) => state === "late").length;
  const detail = [
    `${membership.processId}, epoch ${membership.epoch}: ${membership.state}`,
    `${members.length} ${members.length === 1 ? "process" : "processes"} in all${late === 0 ? "" : `, ${late} late`}`,
  ].join("; ");
  return { name: "membership", status: membership.canClaim ? "ok" : "down", detail };
}

/** Whoever waits for another process is well. */
function checkOffer([service, offer]: [string, SingletonOffer]): Check {
  const { state, reason } = offer.status();
  return { name: `singleton ${service}`, status: "ok", detail: `${state}: ${reason}` };
}

function checkSwarm(swarm: Swarm): Check {
  const { status, reasons, measurement } = swarm.status();
  const numbers = `${measurement.workers} workers, ${measurement.running} running, ${measurement.queued} queued`;
  return {
    name: `swarm ${swarm.service.name}`,
    // A swarm without its parts does not bring the others down.
    status: status === "healthy" ? "ok" : "degraded",
    detail: [numbers, ...reasons].join("; "),
  };
}
