import type { Bus } from "@viable/bus";
import type { Membership } from "@viable/cluster";
import type { Context, Part, Timer } from "@viable/kernel";
import { nearestNames, ViableError } from "@viable/kernel";
import type { Log, RecordChange } from "@viable/log";
import type { Discovery, Registration, RouteDecision, SwarmMeasurement } from "@viable/protocol";
import { registration as registrationSchema, swarmMeasurement } from "@viable/protocol";
import type { Candidate } from "./candidate.ts";
import { chooseRoute } from "./route.ts";

const keyPrefix = "registry/";
/** Measurements travel here: best effort, and only the newest counts. */
const measurementSubject = "registry.measurement";

export interface RegistrySettings {
  readonly log: Log;
  readonly bus: Bus;
  readonly membership: Membership;
  /** How long an entry holds that is not renewed, in milliseconds. Default 30,000: the seed's health check interval. */
  readonly entryMs?: number;
  /** How often each swarm tells the other processes its load, in milliseconds. Default 1,000. */
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
  withdraw(ctx: Context): Promise<void>;
}

/**
 * The meta registry as one process sees it: who offers which capability, how loaded they are, and where a task goes.
 *
 * Promised: an entry is in the log's records before `register` resolves; it disappears when it is withdrawn, when its process
 * is gone, or when it has not been renewed for `entryMs`; look-ups read a local projection and wait for nothing; every choice
 * comes with its candidates and scores (X5).
 *
 * Not promised: that an entry's swarm still lives at the moment of the look-up, which is why a task is durable before it is
 * handed over and retaken when its process is gone.
 */
export interface Registry extends Part {
  /** `measure` answers from memory: it is asked at every routing decision. Of a `queen` that is named nothing is kept. */
  register(
    ctx: Context,
    registration: Registration & { readonly queen?: string },
    measure: () => SwarmMeasurement,
  ): Promise<Registered>;
  discover(capability: string): Discovery;
  route(capability: string): RouteOutcome;
  /** Every entry there is, by service and process. */
  entries(): Candidate[];
  capabilities(): string[];
}

interface Entry {
  readonly registration: Registration;
  expiresAt: number;
  readonly measure: (() => SwarmMeasurement) | undefined;
}

const unmeasured: SwarmMeasurement = { workers: 1, running: 0, queued: 0, completed: 0, failed: 0, latencyMs: 0 };

export function createRegistry(settings: RegistrySettings): Registry {
  const { log, bus, membership } = settings;
  const entryMs = settings.entryMs ?? 30_000;
  const measureEveryMs = settings.measureEveryMs ?? 1_000;
  const entries = new Map<string, Entry>();
  const byCapability = new Map<string, Set<string>>();
  const remoteMeasurements = new Map<string, SwarmMeasurement>();
  let started: Context | undefined;
  let unwatch = () => {};
  let unsubscribe = () => {};
  let beat: Timer | undefined;

  const keyOf = (entry: Registration) => `${keyPrefix}${entry.service}/${entry.processId}`;

  const remove = (key: string) => {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    remoteMeasurements.delete(key);
    for (const capability of entry.registration.capabilities) {
      const keys = byCapability.get(capability);
      keys?.delete(key);
      if (keys?.size === 0) byCapability.delete(capability);
    }
  };
  const put = (key: string, entry: Entry) => {
    remove(key);
    entries.set(key, entry);
    for (const capability of entry.registration.capabilities) {
      const keys = byCapability.get(capability) ?? new Set();
      keys.add(key);
      byCapability.set(capability, keys);
    }
  };
  const onChange = (change: RecordChange) => {
    const parsed = change.value === null ? undefined : registrationSchema.safeParse(change.value);
    // An entry of another version that we cannot read is one we cannot send work to.
    if (parsed?.success !== true) return remove(change.key);
    const own = entries.get(change.key);
    if (own?.measure !== undefined) own.expiresAt = change.expiresAt ?? Number.POSITIVE_INFINITY;
    else
      put(change.key, {
        registration: parsed.data,
        expiresAt: change.expiresAt ?? Number.POSITIVE_INFINITY,
        measure: undefined,
      });
  };
  const isAlive = (entry: Entry, now: number) =>
    entry.measure !== undefined ||
    (entry.expiresAt > now && !membership.isGone(entry.registration.processId, entry.registration.epoch));
  const toCandidate = (key: string, entry: Entry): Candidate => ({
    registration: entry.measure === undefined ? entry.registration : { ...entry.registration, epoch: membership.epoch },
    measurement: entry.measure?.() ?? remoteMeasurements.get(key) ?? unmeasured,
  });
  const candidatesFor = (capability: string): Candidate[] => {
    const now = started?.runtime.clock.now() ?? 0;
    const found: Candidate[] = [];
    for (const key of byCapability.get(capability) ?? []) {
      const entry = entries.get(key);
      if (entry !== undefined && isAlive(entry, now)) found.push(toCandidate(key, entry));
    }
    return found;
  };
  const write = async (ctx: Context, registration: Registration) => {
    const outcome = await log.append(ctx, {
      records: [
        {
          key: keyOf(registration),
          // The epoch of now: a process that lost its lease and came back lives under another.
          value: { ...registration, epoch: membership.epoch },
          expected: "any",
          expiresAt: ctx.runtime.clock.now() + entryMs,
        },
      ],
    });
    if (!outcome.ok) {
      throw new ViableError(
        "registry.not_recorded",
        `The entry of ${registration.service} could not be recorded: ${outcome.reason}.`,
        {
          retryable: true,
        },
      );
    }
  };
  let sinceRenewalMs = 0;
  let writtenEpoch = 0;
  const onBeat = (ctx: Context) => {
    sinceRenewalMs += measureEveryMs;
    const renew = sinceRenewalMs >= entryMs / 3 || membership.epoch !== writtenEpoch;
    if (renew) {
      sinceRenewalMs = 0;
      writtenEpoch = membership.epoch;
    }
    for (const [key, entry] of entries) {
      if (entry.measure === undefined) continue;
      bus.publish(ctx, measurementSubject, { key, measurement: entry.measure() });
      // A renewal that fails is made up for by the next; three in a row let the entry expire, which is the truth by then.
      if (renew) write(ctx, entry.registration).catch(() => undefined);
    }
    beat = ctx.runtime.clock.setTimer(() => onBeat(ctx), measureEveryMs, { background: true });
  };

  return {
    async start(ctx) {
      started = ctx;
      unwatch = await log.watchRecords(ctx, keyPrefix, onChange);
      unsubscribe = bus.subscribe(measurementSubject, {}, (_ctx, message) => {
        const parsed = swarmMeasurement.safeParse(message.measurement);
        const entry = typeof message.key === "string" ? entries.get(message.key) : undefined;
        // Our own swarms are asked when it is needed; what we said of them comes back here too.
        if (parsed.success && entry !== undefined && entry.measure === undefined)
          remoteMeasurements.set(String(message.key), parsed.data);
      });
      beat = ctx.runtime.clock.setTimer(() => onBeat(ctx), measureEveryMs, { background: true });
    },
    async stop() {
      beat?.cancel();
      unwatch();
      unsubscribe();
      entries.clear();
      byCapability.clear();
      remoteMeasurements.clear();
    },
    async register(ctx, given, measure) {
      // Only what others read is kept: tasks reach a swarm by the log, so no address of a part of it is among that.
      const registration = registrationSchema.parse(given);
      const key = keyOf(registration);
      await write(ctx, registration);
      put(key, { registration, expiresAt: Number.POSITIVE_INFINITY, measure });
      return {
        async withdraw(withdrawCtx) {
          remove(key);
          await log.append(withdrawCtx, { records: [{ key, value: null, expected: "any" }] });
        },
      };
    },
    discover(capability) {
      const swarms = candidatesFor(capability).map((candidate) => candidate.registration);
      return { capability, swarms, near: swarms.length > 0 ? [] : nearestNames(capability, byCapability.keys()) };
    },
    route(capability) {
      const decision = chooseRoute(capability, candidatesFor(capability));
      if (decision === undefined) {
        const near = nearestNames(capability, byCapability.keys());
        const reasons = [`No running swarm offers "${capability}".`];
        if (near.length > 0) reasons.push(`Near to it: ${near.join(", ")}.`);
        return { ok: false, code: "registry.no_swarm", reasons, near };
      }
      return { ok: true, decision, local: decision.chosen.processId === membership.processId };
    },
    entries: () => [...entries].map(([key, entry]) => toCandidate(key, entry)),
    capabilities: () => [...byCapability.keys()].sort(),
  };
}
