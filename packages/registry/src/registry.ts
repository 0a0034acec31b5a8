import type { Bus } from "@viable/bus";
import type { Membership } from "@viable/cluster";
import type { Context, Part, Timer } from "@viable/kernel";
import type { Log, Position } from "@viable/log";
import type {
  DeadLetterPage,
  Discovery,
  MigrationRule,
  Registration,
  RegistryStats,
  SwarmMeasurement,
} from "@viable/protocol";
import type { UndeliveredTask } from "./dead-letters.ts";
import { createDeadLetters } from "./dead-letters.ts";
import type { DiscoveryQuery } from "./discover.ts";
import { discover } from "./discover.ts";
import { entryKey, entryPrefix } from "./entry-record.ts";
import { createKnownSwarms } from "./known-swarms.ts";
import type { Migration, MigrationOutcome } from "./migration-rules.ts";
import { createMigrationRules } from "./migration-rules.ts";
import type { TaskEnd } from "./outlier-window.ts";
import type { Registered } from "./own-entries.ts";
import { createOwnEntries, measurementSubject } from "./own-entries.ts";
import { readDeadLetters } from "./read-dead-letters.ts";
import type { RoutedTask } from "./route.ts";
import type { RouteOutcome } from "./router.ts";
import { createRouter } from "./router.ts";
import type { RoutingRule } from "./routing-rules.ts";

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
  const measureEveryMs = settings.measureEveryMs ?? 1_000;
  let started: Context | undefined;
  const clock = {
    now: () => started?.runtime.clock.now() ?? 0,
    monotonicMs: () => started?.runtime.clock.monotonicMs() ?? 0,
  };
  const known = createKnownSwarms({ membership, services: settings.services, clock });
  const own = createOwnEntries({ log, bus, membership, known, entryMs: settings.entryMs ?? 30_000 });
  const migrations = createMigrationRules(log);
  const router = createRouter({ log, known, rules: settings.rules ?? [], migrationOf: migrations.of, clock });
  const deadLetters = createDeadLetters(log, membership.processId);
  let unwatch = () => {};
  let unsubscribe = () => {};
  let beat: Timer | undefined;

  const onBeat = (ctx: Context) => {
    known.forgetTheDead();
    known.noteTheLate();
    own.renew(ctx);
    beat = ctx.runtime.clock.setTimer(() => onBeat(ctx), measureEveryMs, { background: true });
  };

  return {
    async start(ctx) {
      started = ctx;
      unwatch = await log.watchRecords(ctx, entryPrefix, known.onChange);
      await migrations.start(ctx);
      unsubscribe = bus.subscribe(measurementSubject, {}, (_ctx, message) => known.onMeasurement(message));
      beat = ctx.runtime.clock.setTimer(() => onBeat(ctx), measureEveryMs, { background: true });
    },
    async stop() {
      beat?.cancel();
      unwatch();
      unsubscribe();
      migrations.stop();
      known.clear();
    },
    register: own.register,
    discover: (capability, query = {}) => discover(known, clock, capability, query),
    route: (capability, task = {}) => router.route(capability, task),
    taskEnded({ key, service, processId, end, isQuery }) {
      const address = entryKey(service, processId);
      const entry = known.entries.get(address);
      // Of one that is gone nothing is kept.
      if (entry === undefined) return;
      known.outliers.record(address, key, end, clock.monotonicMs());
      if (!entry.local && isQuery !== true) entry.routed -= 1;
    },
    undelivered: deadLetters.record,
    deadLetters: (ctx, page) => readDeadLetters(ctx, log, page),
    stats: () => ({
      entries: known.entries.size,
      entriesRefused: known.refused.size,
      ...router.stats(),
      ...deadLetters.stats(),
    }),
    migrations: migrations.all,
    setMigration: (ctx, service, rule, { expected } = {}) => migrations.set(ctx, service, rule, expected ?? "any"),
  };
}
