import type { Bus } from "@viable/bus";
import type { Membership } from "@viable/cluster";
import type { Context, JsonObject, Part, Timer } from "@viable/kernel";
import { nearestNames, sleep, ViableError, withContext } from "@viable/kernel";
import type { Log, RecordChange } from "@viable/log";
import type {
  Discovery,
  MigrationRule,
  Registration,
  RegistryStats,
  RouteDecision,
  SwarmMeasurement,
} from "@viable/protocol";
import { swarmMeasurement } from "@viable/protocol";
import type { Candidate } from "./candidate.ts";
import { entryKey, entryPrefix, fromEntryRecord, toEntryRecord } from "./entry-record.ts";
import type { Entry, OwnEntry } from "./entry-table.ts";
import { EntryTable } from "./entry-table.ts";
import type { Migration, MigrationOutcome } from "./migration-rules.ts";
import { createMigrationRules } from "./migration-rules.ts";
import type { RoutedTask } from "./route.ts";
import { chooseRoute } from "./route.ts";

/** How often an entry is renewed in the time that it holds: two renewals may fail. */
const renewalsPerEntry = 3;
/** Measurements travel here: best effort, and only the newest counts. */
const measurementSubject = "registry.measurement";

export interface RegistrySettings {
  readonly log: Log;
  readonly bus: Bus;
  readonly membership: Membership;
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
      readonly code: "registry.no_swarm";
      readonly reasons: readonly string[];
      readonly near: readonly string[];
    };

/** A swarm's own entry: withdrawn when it stops. */
export interface Registered {
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
  /** `measure` answers from memory: it is asked at every routing decision. */
  register(ctx: Context, registration: Registration, measure: () => SwarmMeasurement): Promise<Registered>;
  /** Who offers a capability; for a name without operation that nobody offers as it is, who offers an operation of it. */
  discover(capability: string): Discovery;
  /** Where a task goes. With a `service`, there or nowhere; with a `key`, as that service's migration rule says. */
  route(capability: string, task?: RoutedTask): RouteOutcome;
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
  const entries = new EntryTable();
  const rules = createMigrationRules(log);
  const counts = { routed: 0, refused: 0, local: 0, meanRouteMs: 0 };
  let started: Context | undefined;
  let unwatch = () => {};
  let unsubscribe = () => {};
  let beat: Timer | undefined;

  const keyOf = (of: { readonly service: string; readonly processId: string }) => entryKey(of.service, of.processId);

  const onChange = ({ key, value, expiresAt }: RecordChange) => {
    const record = value === null ? undefined : fromEntryRecord(value);
    // What this process offers it knows from its swarms: its own records tell it nothing.
    if (entries.get(key)?.local === true || record?.registration.processId === membership.processId) return;
    // An entry of another version that we cannot read is one we cannot send work to.
    if (record === undefined) return entries.remove(key);
    entries.put(key, { local: false, ...record, expiresAt: expiresAt ?? Number.POSITIVE_INFINITY, routed: 0 });
  };
  const onMeasurement = (message: JsonObject) => {
    const entry = typeof message.key === "string" ? entries.get(message.key) : undefined;
    const parsed = swarmMeasurement.safeParse(message.measurement);
    // What we said of our own swarms comes back here too.
    if (!parsed.success || entry === undefined || entry.local) return;
    entry.measurement = parsed.data;
    entry.routed = 0;
  };
  const isAlive = (entry: Entry, now: number) =>
    entry.local ||
    (entry.expiresAt > now && !membership.isGone(entry.registration.processId, entry.registration.epoch));
  const toCandidate = (entry: Entry): Candidate =>
    entry.local
      ? {
          // The epoch of now: a process that lost its lease and came back lives under another.
          registration: { ...entry.registration, epoch: membership.epoch },
          measurement: entry.measure(),
          local: true,
          routed: 0,
        }
      : entry;
  const nowMs = () => started?.runtime.clock.now() ?? 0;
  const clockMs = () => started?.runtime.clock.monotonicMs() ?? 0;
  const candidatesFor = (capability: string): Candidate[] => {
    const now = nowMs();
    return [...entries.offering(capability)].filter((entry) => isAlive(entry, now)).map(toCandidate);
  };
  /** A name without its operation stands for all of them: `backup` for whoever offers `backup.restore`. */
  const candidatesIn = (group: string): Candidate[] => {
    const now = nowMs();
    return [...entries]
      .map(([, entry]) => entry)
      .filter(
        (entry) => isAlive(entry, now) && entry.registration.capabilities.some((each) => each.startsWith(`${group}.`)),
      )
      .map(toCandidate);
  };
  const nearTo = (capability: string): string[] => {
    const now = nowMs();
    const alive = [...entries].filter(([, entry]) => isAlive(entry, now));
    return nearestNames(capability, new Set(alive.flatMap(([, { registration }]) => registration.capabilities)));
  };
  const routeNow = (capability: string, task: RoutedTask): RouteOutcome => {
    const candidates = candidatesFor(capability);
    const decision = chooseRoute(capability, candidates, task, rules.of);
    if (decision === undefined) {
      if (task.service !== undefined && candidates.length > 0) return notThere(capability, task.service, candidates);
      const near = nearTo(capability);
      const reasons = [`No running swarm offers "${capability}".`];
      if (near.length > 0) reasons.push(`Near to it: ${near.join(", ")}.`);
      return { ok: false, code: "registry.no_swarm", reasons, near };
    }
    const entry = entries.get(keyOf(decision.chosen));
    if (entry?.local === false) entry.routed += 1;
    return { ok: true, decision, local: entry?.local === true };
  };
  /** Neither the end of a process nor that of a record's time is a change that the watch tells of. */
  const forgetTheDead = () => {
    const now = nowMs();
    for (const [key, entry] of [...entries]) if (!isAlive(entry, now)) entries.remove(key);
  };
  const write = async (ctx: Context, entry: OwnEntry) => {
    const { registration, measure } = entry;
    const { clock } = ctx.runtime;
    const written = { epoch: membership.epoch, atMs: clock.monotonicMs() };
    const value = toEntryRecord({ ...registration, epoch: written.epoch }, measure());
    entry.writing = true;
    try {
      const outcome = await log.append(ctx, {
        records: [{ key: keyOf(registration), value, expected: "any", expiresAt: clock.now() + entryMs }],
      });
      if (!outcome.ok) throw notRecorded(registration.service, outcome.reason);
      entry.written = written;
    } finally {
      entry.writing = false;
    }
  };
  /** Deletes a withdrawn entry's record: again while the log is overloaded, but not under a swarm that was registered anew meanwhile. */
  const erase = async (ctx: Context, key: string) => {
    // After that time it has expired.
    const bounded = withContext(ctx, { deadline: ctx.runtime.clock.now() + entryMs });
    while (entries.get(key) === undefined) {
      const outcome = await log.append(bounded, { records: [{ key, value: null, expected: "any" }] });
      if (outcome.ok || outcome.reason !== "overloaded") return;
      await sleep(bounded, outcome.retryAfterMs);
    }
  };
  const isDue = ({ written, writing }: OwnEntry, monotonicMs: number) =>
    !writing && (written?.epoch !== membership.epoch || monotonicMs - written.atMs >= entryMs / renewalsPerEntry);
  const onBeat = (ctx: Context) => {
    const { clock } = ctx.runtime;
    forgetTheDead();
    for (const [key, entry] of entries) {
      if (!entry.local) continue;
      bus.publish(ctx, measurementSubject, { key, measurement: entry.measure() });
      // One that fails stays due, so the next beat tries again. Where none arrives in time the entry expires, which is the truth by then.
      if (isDue(entry, clock.monotonicMs())) write(ctx, entry).catch(() => undefined);
    }
    beat = clock.setTimer(() => onBeat(ctx), measureEveryMs, { background: true });
  };

  return {
    async start(ctx) {
      started = ctx;
      unwatch = await log.watchRecords(ctx, entryPrefix, onChange);
      await rules.start(ctx);
      unsubscribe = bus.subscribe(measurementSubject, {}, (_ctx, message) => onMeasurement(message));
      beat = ctx.runtime.clock.setTimer(() => onBeat(ctx), measureEveryMs, { background: true });
    },
    async stop() {
      beat?.cancel();
      unwatch();
      unsubscribe();
      rules.stop();
      entries.clear();
    },
    async register(ctx, registration, measure) {
      const key = keyOf(registration);
      const entry: OwnEntry = { local: true, registration, measure, written: undefined, writing: false };
      await write(ctx, entry);
      entries.put(key, entry);
      return {
        async withdraw(withdrawCtx) {
          if (entries.get(key) !== entry) return;
          entries.remove(key);
          await erase(withdrawCtx, key);
        },
      };
    },
    discover(capability) {
      const exact = candidatesFor(capability);
      const swarms = (exact.length > 0 ? exact : candidatesIn(capability)).map((candidate) => candidate.registration);
      return { capability, swarms, near: swarms.length > 0 ? [] : nearTo(capability) };
    },
    route(capability, task = {}) {
      const startedMs = clockMs();
      const outcome = routeNow(capability, task);
      counts.routed += 1;
      counts.meanRouteMs += (clockMs() - startedMs - counts.meanRouteMs) / counts.routed;
      if (!outcome.ok) counts.refused += 1;
      else if (outcome.local) counts.local += 1;
      return outcome;
    },
    stats: () => ({ entries: [...entries].length, ...counts }),
    migrations: rules.all,
    setMigration: (ctx, service, rule, { expected } = {}) => rules.set(ctx, service, rule, expected ?? "any"),
  };
}

/** Somebody offers it, but not the one that was asked for by name. */
function notThere(capability: string, service: string, candidates: readonly Candidate[]): RouteOutcome {
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
