import type { Bus } from "@viable/bus";
import type { Membership } from "@viable/cluster";
import type { Context } from "@viable/kernel";
import { sleep, ViableError, withContext } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { Registration, SwarmMeasurement } from "@viable/protocol";
import { registration as registrationShape } from "@viable/protocol";
import { entryKey, toEntryRecord } from "./entry-record.ts";
import type { OwnEntry } from "./entry-table.ts";
import type { KnownSwarms } from "./known-swarms.ts";

/** How often an entry is renewed in the time that it holds: two renewals may fail. */
const renewalsPerEntry = 3;
/** Measurements travel here: best effort, and only the newest counts. */
export const measurementSubject = "registry.measurement";

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

export interface OwnEntriesSettings {
  readonly log: Log;
  readonly bus: Bus;
  readonly membership: Membership;
  readonly known: KnownSwarms;
  /** How long an entry holds that is not renewed, in milliseconds. */
  readonly entryMs: number;
}

/** What one process tells others of its own swarms: that they are there, by records that are renewed, and how loaded they are, by the bus. */
export interface OwnEntries {
  /** As `Registry.register` promises it. */
  register(ctx: Context, registration: Registration, measure: () => SwarmMeasurement): Promise<Registered>;
  /** Tells the load of each, and writes those anew whose time it is. Waits for nothing. */
  renew(ctx: Context): void;
}

export function createOwnEntries({ log, bus, membership, known, entryMs }: OwnEntriesSettings): OwnEntries {
  const { entries } = known;

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

  return {
    async register(ctx, given, measure) {
      const registration = checkRegistration({
        ...given,
        registeredAt: new Date(ctx.runtime.clock.now()).toISOString(),
      });
      const key = entryKey(registration.service, registration.processId);
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
          if (now === entry) known.forget(key);
          if (!isErased) await erase(withdrawCtx, key);
        },
      };
    },
    renew(ctx) {
      const { clock } = ctx.runtime;
      for (const entry of entries) {
        if (!entry.local) continue;
        bus.publish(ctx, measurementSubject, { key: entry.key, measurement: entry.measure() });
        // One that fails stays due, so the next beat tries again. Where none arrives in time the entry expires, which is the truth by then.
        if (isDue(entry, clock.monotonicMs())) write(ctx, entry).catch(() => undefined);
      }
    },
  };
}

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

/** `registry.not_recorded`: an entry could not be written. */
const notRecorded = (service: string, reason: string): ViableError =>
  new ViableError("registry.not_recorded", `The entry of ${service} could not be recorded: ${reason}.`, {
    retryable: true,
    next: "Register it again when the log has caught up.",
  });
