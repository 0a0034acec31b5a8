import type { Bus } from "@viable/bus";
import type { Membership } from "@viable/cluster";
import type { Context, JsonObject, Part, Timer } from "@viable/kernel";
import { nearestNames, sleep, ViableError, withContext } from "@viable/kernel";
import type { Log, Position, RecordChange } from "@viable/log";
import type {
  DeadLetterPage,
  Discovery,
  MigrationRule,
  Registration,
  RegistryStats,
  RouteDecision,
  SwarmMeasurement,
} from "@viable/protocol";
import { registration as registrationShape, swarmMeasurement } from "@viable/protocol";
import type { Candidate, LeftOut } from "./candidate.ts";
import type { UndeliveredTask } from "./dead-letters.ts";
import { createDeadLetters } from "./dead-letters.ts";
import type { RefusedEntry } from "./entry-record.ts";
import { entryKey, entryPrefix, readEntryRecord, toEntryRecord } from "./entry-record.ts";
import type { Entry, EntryQuery, OwnEntry } from "./entry-table.ts";
import { EntryTable } from "./entry-table.ts";
import { leaveOutliersOut } from "./leave-outliers-out.ts";
import type { Migration, MigrationOutcome } from "./migration-rules.ts";
import { createMigrationRules } from "./migration-rules.ts";
import type { TaskEnd } from "./outlier-window.ts";
import { Outliers } from "./outliers.ts";
import { readDeadLetters } from "./read-dead-letters.ts";
import type { RoutedTask } from "./route.ts";
import { chooseRoute, maxRecorded } from "./route.ts";
import type { RoutingRule } from "./routing-rules.ts";
import { applyRuling, indexRules } from "./routing-rules.ts";
import type { VersionRange } from "./version-range.ts";
import { parseVersionRange } from "./version-range.ts";

/** How often an entry is renewed in the time that it holds: two renewals may fail. */
const renewalsPerEntry = 3;
/** Measurements travel here: best effort, and only the newest counts. */
const measurementSubject = "registry.measurement";

/** Swarms that the answer to one discovery holds: a person reads no more, and a program asks for less. The rest are counted. */
const maxFound = 1_000;
/** Entries that do not hold and are remembered with their reason: far more than anybody mends by hand. The oldest go first. */
const maxRefused = 1_000;
/** Of those, how many one answer tells of. */
const maxRefusedTold = 20;

export interface RegistrySettings {
  readonly log: Log;
  readonly bus: Bus;
  readonly membership: Membership;
  /** The services that this process's config knows: an entry of another is not obeyed. Where absent, any is. */
  readonly services?: readonly string[];
  /** What the config says of where tasks may go. None where absent: each goes to the least loaded that offers it. */
  readonly rules?: readonly RoutingRule[];
  /** How long an entry holds that is not renewed, in milliseconds. Default 30,000: the seed's health check interval. */
  readonly entryMs?: number;
  /** How often each swarm tells its load on the bus, in milliseconds. Default 1,000. */
  readonly measureEveryMs?: number;
}

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

/** A task that was routed here, as it ended. */
export interface EndedTask {
  /** What it was routed by, as its execution's id. */
  readonly key: string;
  /** Whose it was at the end. */
  readonly service: string;
  readonly processId: string;
  readonly end: Exclude<TaskEnd, "late">;
  /** It was no task, but a question that is answered at once. */
  readonly isQuery?: boolean;
}

/** Which swarms are looked for, beside what they offer: all that is named must hold. */
export interface DiscoveryQuery {
  /** A range as npm writes it: `^1.4`, `>=2 <4`. */
  readonly version?: string | undefined;
  /** Whose question it is: only what is open to this tenant is found (W11). Where absent, what is open to all of them. */
  readonly tenant?: string | undefined;
  readonly subsystem?: string | undefined;
  /** Each must be among the swarm's own. */
  readonly tags?: readonly string[] | undefined;
}

/** A swarm's own entry: withdrawn when it stops. */
export interface Registered {
  /**
   * Has others ask it for nothing more, while this process still may, until it is withdrawn: what it has begun may ask for more. Resolves and
   * rejects as `withdraw` does.
   */
  leave(ctx: Context): Promise<void>;
  /**
   * Resolves once the entry is out of the log's records; a later registration of the same swarm is left alone. Rejects with
   * `context.deadline_exceeded` or `context.cancelled` where the log was overloaded for as long as the context, or the entry,
   * lasts. In this process the entry is gone at once, in others once it has expired.
   */
  withdraw(ctx: Context): Promise<void>;
}

/**
 * The meta registry as one process sees it: who offers which capability, how loaded they are, and where a task goes.
 *
 * Promised: an entry is in the log's records before `register` resolves; it disappears when it is withdrawn, when its process
 * is gone, or when it has not been renewed for `entryMs`; look-ups read a local projection and wait for nothing; every choice
 * comes with its candidates and scores (X5); a swarm of this process is measured at the moment of the look-up; a migration rule that
 * one process sets is obeyed by every other once it has seen the record, a second later where no word of it arrives.
 *
 * Not promised: that an entry's swarm still lives at the moment of the look-up, which is why a task is durable before it is
 * handed over and retaken when its process is gone; that the load of another process's swarm is of now: it is as old as its
 * record's renewal, a third of `entryMs` at most where all goes well, unless a bus reaches both processes and tells of it sooner.
 */
export interface Registry extends Part {
  /** `measure` answers from memory: it is asked at every routing decision. Throws `registry.invalid_registration`. */
  register(ctx: Context, registration: Registration, measure: () => SwarmMeasurement): Promise<Registered>;
  /**
   * Who offers a capability, or anything where none is named, and fits the query; for a name without operation that nobody offers as it is,
   * who offers an operation of it. Answered from indexes. Throws `registry.invalid_query` where the range of versions cannot be read.
   */
  discover(capability: string | undefined, query?: DiscoveryQuery): Discovery;
  /**
   * Where a task goes: to one that is open to its `tenant`, as the first routing rule for it says. With a `service`, there or nowhere; with
   * a `key`, as that service's migration rule says. It counts as a task that stands there: whoever only looks takes `discover`.
   */
  route(capability: string, task?: RoutedTask): RouteOutcome;
  /**
   * Told of how a task ended that was routed here. A swarm by whose fault too many do is left out for a while, then tried by one task, then
   * gets more from second to second (`src/outliers.ts`).
   */
  taskEnded(task: EndedTask): void;
  /** Told of a task that was refused before anybody took it, for the dead letters (`src/dead-letters.ts`). Waits for nothing. */
  undelivered(ctx: Context, task: UndeliveredTask): void;
  /** The context's tenant's tasks that came to nothing before anybody ended them, the newest first: at most `limit`, before a position. */
  deadLetters(
    ctx: Context,
    page: { readonly limit: number; readonly before?: Position | undefined },
  ): Promise<DeadLetterPage>;
  /** What this process's registry has done since it started. */
  stats(): RegistryStats;
  /** The migration rules that this process obeys, by the name of their service. */
  migrations(): readonly Migration[];
  /**
   * Sets how a service's tasks are shared out between it and a legacy one, or takes the rule away: then it does all of them. With
   * `expected` only at that version (0: where there is none), which is for whoever read it first. Throws `registry.invalid_migration`.
   */
  setMigration(
    ctx: Context,
    service: string,
    rule: MigrationRule | undefined,
    options?: { readonly expected?: number | undefined },
  ): Promise<MigrationOutcome>;
}

export function createRegistry(settings: RegistrySettings): Registry {
  const { log, bus, membership } = settings;
  const entryMs = settings.entryMs ?? 30_000;
  const measureEveryMs = settings.measureEveryMs ?? 1_000;
  const services = settings.services && new Set(settings.services);
  const entries = new EntryTable();
  const outliers = new Outliers();
  const deadLetters = createDeadLetters(log, membership.processId);
  const refusals = new Map<string, RefusedEntry & { readonly expiresAt: number }>();
  const migrations = createMigrationRules(log);
  const rulingOf = indexRules(settings.rules ?? []);
  const counts = { routed: 0, refused: 0, local: 0, meanRouteMs: 0 };
  let started: Context | undefined;
  let unwatch = () => {};
  let unsubscribe = () => {};
  let beat: Timer | undefined;

  const keyOf = (of: { readonly service: string; readonly processId: string }) => entryKey(of.service, of.processId);

  const forget = (key: string) => {
    entries.remove(key);
    outliers.forget(key);
  };
  const onChange = ({ key, value, expiresAt }: RecordChange) => {
    // What this process offers it knows from its swarms: its own records tell it nothing.
    if (entries.get(key)?.local === true || key.endsWith(`/${membership.processId}`)) return;
    refusals.delete(key);
    if (value === null) return forget(key);
    const until = expiresAt ?? Number.POSITIVE_INFINITY;
    const read = readEntryRecord(key, value, { now: nowMs(), services });
    if (read.ok) return entries.put({ key, local: false, ...read.record, expiresAt: until, routed: 0, queried: 0 });
    // Unknown means no: what it was before does not hold any more either.
    forget(key);
    if (refusals.size >= maxRefused) refusals.delete(refusals.keys().next().value as string);
    refusals.set(key, { ...read.refused, expiresAt: until });
  };
  const onMeasurement = (message: JsonObject) => {
    const entry = typeof message.key === "string" ? entries.get(message.key) : undefined;
    const parsed = swarmMeasurement.safeParse(message.measurement);
    // What we said of our own swarms comes back here too.
    if (!parsed.success || entry === undefined || entry.local) return;
    entry.measurement = parsed.data;
    entry.routed = 0;
    entry.queried = 0;
  };
  const isAlive = (entry: Entry, now: number) =>
    entry.local ||
    (entry.expiresAt > now && !membership.isGone(entry.registration.processId, entry.registration.epoch));
  /** Under the epoch of now: a process that lost its lease and came back lives under another. */
  const registrationOf = ({ local, registration }: Entry): Registration =>
    local && registration.epoch !== membership.epoch ? { ...registration, epoch: membership.epoch } : registration;
  const toCandidate = (entry: Entry, isQuery: boolean): Candidate => {
    if (entry.local)
      return {
        key: entry.key,
        registration: registrationOf(entry),
        measurement: entry.measure(),
        local: true,
        routed: 0,
      };
    return isQuery ? { ...entry, routed: entry.routed + entry.queried } : entry;
  };
  const nowMs = () => started?.runtime.clock.now() ?? 0;
  const clockMs = () => started?.runtime.clock.monotonicMs() ?? 0;
  const candidatesFor = (capability: string, { tenant, isQuery = false }: RoutedTask): Candidate[] => {
    const now = nowMs();
    const candidates: Candidate[] = [];
    for (const entry of entries.offering(capability))
      if (isAlive(entry, now) && isOpenTo(entry.registration, tenant)) candidates.push(toCandidate(entry, isQuery));
    return candidates;
  };
  const nearTo = (capability: string, tenant: string | undefined): string[] => {
    const now = nowMs();
    const isThere = (entry: Entry) => isAlive(entry, now) && isOpenTo(entry.registration, tenant);
    // Where it is offered, by swarms that do not fit what else was asked for, another name is no help.
    if ([...entries.offering(capability)].some(isThere)) return [];
    const there = entries.find({}).filter(isThere);
    return nearestNames(capability, new Set(there.flatMap(({ registration }) => registration.capabilities)));
  };
  const find = (by: EntryQuery, tenant: string | undefined, isIn: VersionRange): Found[] => {
    const now = nowMs();
    return entries
      .find(by)
      .filter(
        (entry) => isAlive(entry, now) && isOpenTo(entry.registration, tenant) && isIn(entry.registration.version),
      )
      .map((entry) => toFound(registrationOf(entry)));
  };
  const toFound = (known: Registration): Found => {
    const standing = outliers.standing(keyOf(known), clockMs());
    if (standing === undefined) return known;
    const { state, reason, share, leftMs } = standing;
    return {
      ...known,
      outlier: {
        state,
        reason,
        ...(state === "recovering" && { share: Math.round(share * 100) / 100 }),
        ...(state === "ejected" && { leftMs: Math.ceil(leftMs) }),
      },
    };
  };
  /** Entries that do not hold, where one that did might have been an answer. */
  const refusedOf = (capability: string | undefined, tenant: string | undefined) =>
    [...refusals.values()]
      .filter(
        ({ capabilities, tenants }) =>
          (tenants === "all" || (tenants !== undefined && isOpenTo({ tenants }, tenant))) &&
          (capability === undefined || capabilities === undefined || capabilities.includes(capability)),
      )
      .slice(-maxRefusedTold)
      .map(({ service, processId, reason }) => ({ service, processId, reason }));
  const routeNow = (capability: string, task: RoutedTask): RouteOutcome => {
    const ruling = rulingOf(capability, task.tenant);
    const { rule } = ruling;
    if (rule?.refuse !== undefined) {
      const reasons = [`The rule "${rule.name}" refuses "${capability}": ${rule.refuse}`];
      return { ok: false, code: "registry.refused", reasons, near: [] };
    }
    const candidates = candidatesFor(capability, task);
    const { allowed, leftOut: ruledOut } = applyRuling(ruling, candidates);
    const how = rule && { policy: rule.policy, weights: rule.weights, services: rule.to.services, rule: rule.name };
    // Who is asked for by name is the only one there is, and the last of its kind may not be left out.
    const asked = allowed.filter(
      ({ registration: { service, processId } }) =>
        (task.service === undefined || service === task.service) &&
        (task.process === undefined || processId === task.process),
    );
    const atMs = clockMs();
    const { allowed: whole, leftOut: outliersOut } = leaveOutliersOut(
      asked,
      ({ key }) => outliers.standing(key, atMs, task.key),
      how,
    );
    const leftOut = [...ruledOut, ...outliersOut];
    const decision = chooseRoute(capability, whole, task, migrations.of, how, leftOut);
    if (decision === undefined) {
      const meant = ruledOut.filter(({ service }) => task.service === undefined || service === task.service);
      if (meant.length > 0) return noneAllowed(capability, meant);
      if (task.service !== undefined && allowed.length > 0)
        return notThere(capability, task.service, task.process, allowed);
      const near = nearTo(capability, task.tenant);
      const reasons = [`No running swarm offers "${capability}".`];
      if (near.length > 0) reasons.push(`Near to it: ${near.join(", ")}.`);
      return { ok: false, code: "registry.no_swarm", reasons, near };
    }
    const key = keyOf(decision.chosen);
    if (decision.probe === true && task.key !== undefined) outliers.beginProbe(key, task.key, atMs);
    const entry = entries.get(key);
    if (entry?.local === false) {
      if (task.isQuery === true) entry.queried += 1;
      else entry.routed += 1;
    }
    return { ok: true, decision, local: entry?.local === true };
  };
  /** Neither the end of a process nor that of a record's time is a change that the watch tells of. */
  const forgetTheDead = () => {
    const now = nowMs();
    for (const entry of [...entries]) if (!isAlive(entry, now)) forget(entry.key);
    for (const [key, { expiresAt }] of refusals) if (expiresAt <= now) refusals.delete(key);
  };
  const write = async (ctx: Context, entry: OwnEntry) => {
    const { registration, measure } = entry;
    const { clock } = ctx.runtime;
    const written = { epoch: membership.epoch, atMs: clock.monotonicMs() };
    const value = toEntryRecord({ ...registration, epoch: written.epoch }, measure());
    entry.writing = true;
    try {
      const outcome = await log.append(ctx, {
        records: [{ key: entry.key, value, expected: "any", expiresAt: clock.now() + entryMs }],
      });
      if (!outcome.ok) throw notRecorded(registration.service, outcome.reason);
      entry.written = written;
    } finally {
      entry.writing = false;
    }
  };
  /** Whether nobody runs here, under that key, what others are to ask. */
  const isUnasked = (key: string) => {
    const entry = entries.get(key);
    return entry === undefined || (entry.local && entry.isLeaving);
  };
  /** Deletes a withdrawn entry's record: again while the log is overloaded, but not under a swarm that was registered anew meanwhile. */
  const erase = async (ctx: Context, key: string) => {
    // After that time it has expired.
    const bounded = withContext(ctx, { deadline: ctx.runtime.clock.now() + entryMs });
    while (isUnasked(key)) {
      const outcome = await log.append(bounded, { records: [{ key, value: null, expected: "any" }] });
      if (outcome.ok || outcome.reason !== "overloaded") return;
      await sleep(bounded, outcome.retryAfterMs);
    }
  };
  const isDue = ({ written, writing, isLeaving }: OwnEntry, monotonicMs: number) =>
    !writing &&
    !isLeaving &&
    (written?.epoch !== membership.epoch || monotonicMs - written.atMs >= entryMs / renewalsPerEntry);
  /** Those whose renewal is overdue. A process that is cut off itself sees all others late, and has no say. */
  const lateProcesses = (): ReadonlySet<string> =>
    new Set(
      membership.state === "member"
        ? membership.members().flatMap(({ id, state }) => (state === "late" && id !== membership.processId ? [id] : []))
        : [],
    );
  const onBeat = (ctx: Context) => {
    const { clock } = ctx.runtime;
    forgetTheDead();
    const late = lateProcesses();
    for (const entry of entries) {
      if (!entry.local) {
        if (late.has(entry.registration.processId)) outliers.record(entry.key, undefined, "late", clock.monotonicMs());
        continue;
      }
      bus.publish(ctx, measurementSubject, { key: entry.key, measurement: entry.measure() });
      // One that fails stays due, so the next beat tries again. Where none arrives in time the entry expires, which is the truth by then.
      if (isDue(entry, clock.monotonicMs())) write(ctx, entry).catch(() => undefined);
    }
    beat = clock.setTimer(() => onBeat(ctx), measureEveryMs, { background: true });
  };

  return {
    async start(ctx) {
      started = ctx;
      unwatch = await log.watchRecords(ctx, entryPrefix, onChange);
      await migrations.start(ctx);
      unsubscribe = bus.subscribe(measurementSubject, {}, (_ctx, message) => onMeasurement(message));
      beat = ctx.runtime.clock.setTimer(() => onBeat(ctx), measureEveryMs, { background: true });
    },
    async stop() {
      beat?.cancel();
      unwatch();
      unsubscribe();
      migrations.stop();
      entries.clear();
      refusals.clear();
      outliers.clear();
    },
    async register(ctx, given, measure) {
      const registration = checkRegistration({
        ...given,
        registeredAt: new Date(ctx.runtime.clock.now()).toISOString(),
      });
      const key = keyOf(registration);
      const entry: OwnEntry = {
        key,
        local: true,
        registration,
        measure,
        written: undefined,
        writing: false,
        isLeaving: false,
      };
      await write(ctx, entry);
      entries.put(entry);
      let isErased = false;
      return {
        async leave(leaveCtx) {
          if (entries.get(key) !== entry) return;
          entry.isLeaving = true;
          await erase(leaveCtx, key);
          isErased = true;
        },
        async withdraw(withdrawCtx) {
          const now = entries.get(key);
          // Another was registered since. Where none is, its record may be left of a withdrawal that failed.
          if (now !== undefined && now !== entry) return;
          if (now === entry) forget(key);
          if (!isErased) await erase(withdrawCtx, key);
        },
      };
    },
    discover(capability, { version, tenant, subsystem, tags } = {}) {
      const isIn = version === undefined ? () => true : parseVersionRange(version);
      if (isIn === undefined)
        throw new ViableError("registry.invalid_query", `"${version}" is no range of versions.`, {
          next: "Write one as npm does, such as ^1.4 or >=2 <4.",
        });
      const exact = find({ capability, subsystem, tags }, tenant, isIn);
      const found =
        exact.length > 0 || capability === undefined
          ? exact
          : find({ group: capability, subsystem, tags }, tenant, isIn);
      const refused = refusedOf(capability, tenant);
      return {
        ...(capability !== undefined && { capability }),
        swarms: found.slice(0, maxFound),
        near: found.length > 0 || capability === undefined ? [] : nearTo(capability, tenant),
        ...(found.length > maxFound && { more: found.length - maxFound }),
        ...(refused.length > 0 && { refused }),
      };
    },
    route(capability, task = {}) {
      const startedMs = clockMs();
      const outcome = judgeKnown(routeNow(capability, task), log);
      if (task.isQuery === true) return outcome;
      counts.routed += 1;
      counts.meanRouteMs += (clockMs() - startedMs - counts.meanRouteMs) / counts.routed;
      if (!outcome.ok) counts.refused += 1;
      else if (outcome.local) counts.local += 1;
      return outcome;
    },
    taskEnded({ key, service, processId, end, isQuery }) {
      const address = entryKey(service, processId);
      const entry = entries.get(address);
      // Of one that is gone nothing is kept.
      if (entry === undefined) return;
      outliers.record(address, key, end, clockMs());
      if (!entry.local && isQuery !== true) entry.routed -= 1;
    },
    undelivered: deadLetters.record,
    deadLetters: (ctx, page) => readDeadLetters(ctx, log, page),
    stats: () => ({ entries: entries.size, entriesRefused: refusals.size, ...counts, ...deadLetters.stats() }),
    migrations: migrations.all,
    setMigration: (ctx, service, rule, { expected } = {}) => migrations.set(ctx, service, rule, expected ?? "any"),
  };
}

type Found = Discovery["swarms"][number];

/** Whether a tenant may know of a swarm and use it (W11). Who says of no tenant that it asks sees what is open to all. */
const isOpenTo = (
  { tenants }: { readonly tenants?: readonly string[] | undefined },
  tenant: string | undefined,
): boolean => tenants === undefined || (tenant !== undefined && tenants.includes(tenant));

function checkRegistration(given: Registration): Registration {
  const parsed = registrationShape.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ViableError(
    "registry.invalid_registration",
    `The registration of ${given.service} does not hold: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}.`,
    { next: "Other processes would not obey it: change what the service says of itself." },
  );
}

/** What is known of swarms runs out while the log cannot be read: that there is none is no more than that this process knows of none. */
function judgeKnown(outcome: RouteOutcome, log: Log): RouteOutcome {
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

/** `registry.not_recorded`: an entry could not be written. */
const notRecorded = (service: string, reason: string): ViableError =>
  new ViableError("registry.not_recorded", `The entry of ${service} could not be recorded: ${reason}.`, {
    retryable: true,
    next: "Register it again when the log has caught up.",
  });
