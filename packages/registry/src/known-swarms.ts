import type { Membership } from "@viable/cluster";
import type { Clock, JsonObject } from "@viable/kernel";
import { nearestNames } from "@viable/kernel";
import type { RecordChange } from "@viable/log";
import type { Registration } from "@viable/protocol";
import { swarmMeasurement } from "@viable/protocol";
import { readEntryRecord } from "./entry-record.ts";
import type { Entry, EntryQuery } from "./entry-table.ts";
import { EntryTable } from "./entry-table.ts";
import { isOpenTo } from "./is-open-to.ts";
import { Outliers } from "./outliers.ts";
import { RefusedEntries } from "./refused-entries.ts";

export interface KnownSwarmsSettings {
  readonly membership: Membership;
  /** The services that this process's config knows: an entry of another is not obeyed. Where absent, any is. */
  readonly services: readonly string[] | undefined;
  readonly clock: Pick<Clock, "now" | "monotonicMs">;
}

/** The swarms that one process knows of: its own, and those of others as the log's records and what came by the bus tell of them. */
export type KnownSwarms = ReturnType<typeof createKnownSwarms>;

export function createKnownSwarms({ membership, services, clock }: KnownSwarmsSettings) {
  const knownServices = services && new Set(services);
  const entries = new EntryTable();
  const outliers = new Outliers();
  const refused = new RefusedEntries();

  const forget = (key: string): void => {
    entries.remove(key);
    outliers.forget(key);
  };
  const isAlive = (entry: Entry, now: number): boolean =>
    entry.local ||
    (entry.expiresAt > now && !membership.isGone(entry.registration.processId, entry.registration.epoch));
  /** Those of a list that live and that a tenant may know of (W11). */
  const among = (list: Iterable<Entry>, tenant: string | undefined): Entry[] => {
    const now = clock.now();
    const found: Entry[] = [];
    for (const entry of list) if (isAlive(entry, now) && isOpenTo(entry.registration, tenant)) found.push(entry);
    return found;
  };

  return {
    entries,
    outliers,
    refused,
    forget,
    /** Under the epoch of now: a process that lost its lease and came back lives under another. */
    registrationOf: ({ local, registration }: Entry): Registration =>
      local && registration.epoch !== membership.epoch ? { ...registration, epoch: membership.epoch } : registration,
    /** Who offers a capability and is open to a tenant. */
    offering: (capability: string, tenant: string | undefined): Entry[] => among(entries.offering(capability), tenant),
    /** Whom all of a query holds for and who is open to a tenant. */
    find: (by: EntryQuery, tenant: string | undefined): Entry[] => among(entries.find(by), tenant),
    /** Capabilities with a name near to one that nobody offers to a tenant. */
    near(capability: string, tenant: string | undefined): string[] {
      // Where it is offered, by swarms that do not fit what else was asked for, another name is no help.
      if (among(entries.offering(capability), tenant).length > 0) return [];
      const there = among(entries.find({}), tenant);
      return nearestNames(capability, new Set(there.flatMap(({ registration }) => registration.capabilities)));
    },
    onChange({ key, value, expiresAt }: RecordChange): void {
      // What this process offers it knows from its swarms: its own records tell it nothing.
      if (entries.get(key)?.local === true || key.endsWith(`/${membership.processId}`)) return;
      refused.remove(key);
      if (value === null) {
        forget(key);
        return;
      }
      const until = expiresAt ?? Number.POSITIVE_INFINITY;
      const read = readEntryRecord(key, value, { now: clock.now(), services: knownServices });
      if (read.ok) {
        entries.put({ key, local: false, ...read.record, expiresAt: until, routed: 0, queried: 0 });
        return;
      }
      // Unknown means no: what it was before does not hold any more either.
      forget(key);
      refused.put(key, read.refused, until);
    },
    onMeasurement(message: JsonObject): void {
      const entry = typeof message.key === "string" ? entries.get(message.key) : undefined;
      const parsed = swarmMeasurement.safeParse(message.measurement);
      // What we said of our own swarms comes back here too.
      if (!parsed.success || entry === undefined || entry.local) return;
      entry.measurement = parsed.data;
      entry.routed = 0;
      entry.queried = 0;
    },
    /** Counts against swarms whose process is late with its renewal. A process that is cut off itself sees all others late, and has no say. */
    noteTheLate(): void {
      if (membership.state !== "member") return;
      const late = membership.members().filter(({ id, state }) => state === "late" && id !== membership.processId);
      const ids = new Set(late.map(({ id }) => id));
      for (const { key, local, registration } of entries)
        if (!local && ids.has(registration.processId)) outliers.record(key, undefined, "late", clock.monotonicMs());
    },
    /** Neither the end of a process nor that of a record's time is a change that the watch tells of. */
    forgetTheDead(): void {
      const now = clock.now();
      for (const entry of [...entries]) if (!isAlive(entry, now)) forget(entry.key);
      refused.forgetExpired(now);
    },
    clear(): void {
      entries.clear();
      refused.clear();
      outliers.clear();
    },
  };
}
