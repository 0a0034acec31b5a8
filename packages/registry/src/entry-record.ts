import type { JsonObject, JsonValue } from "@viable/kernel";
import type { Registration, SwarmMeasurement } from "@viable/protocol";
import { registration, swarmMeasurement } from "@viable/protocol";

/** What a swarm's record in the log holds: who it is, and its load as it was when the record was written. */
export interface EntryRecord {
  readonly registration: Registration;
  /** Undefined where it cannot be read: the swarm is there all the same. */
  readonly measurement: SwarmMeasurement | undefined;
}

/** A record that is not obeyed, and why. */
export interface RefusedEntry {
  readonly service: string;
  readonly processId: string;
  readonly reason: string;
  /** What it would offer, and to whom; undefined where that cannot be read. */
  readonly capabilities: readonly string[] | undefined;
  readonly tenants: readonly string[] | "all" | undefined;
}

/** What an entry is judged by. */
export interface EntryRules {
  /** This process's wall clock. */
  readonly now: number;
  /** The services of this process's config; undefined where it has none of its own to go by. */
  readonly services: ReadonlySet<string> | undefined;
}

/** The records of all swarms have keys that begin with this. */
export const entryPrefix = "registry/";
export const entryKey = (service: string, processId: string): string => `${entryPrefix}${service}/${processId}`;

/**
 * How far ahead of this process's clock an entry may say that it was registered, in milliseconds. Processes of one database server go by its
 * clock and ask for it each minute: what is further ahead is a mistake or made up. It decides neither who lives nor who owns what.
 */
const maxAheadMs = 60_000;

export const toEntryRecord = (known: Registration, measurement: SwarmMeasurement): JsonObject => ({
  ...known,
  capabilities: [...known.capabilities],
  tags: [...known.tags],
  ...(known.tenants !== undefined && { tenants: [...known.tenants] }),
  measurement: { ...measurement },
});

/** Reads an entry, or says why it is not obeyed: it cannot be read, is of no service here, or says what cannot be. Pure. */
export function readEntryRecord(
  key: string,
  value: JsonValue,
  rules: EntryRules,
): { ok: true; record: EntryRecord } | { ok: false; refused: RefusedEntry } {
  const [service = "", ...rest] = key.slice(entryPrefix.length).split("/");
  const processId = rest.join("/");
  const refuse = (reason: string) =>
    ({ ok: false, refused: { service, processId, reason, ...readAudience(value) } }) as const;
  const parsed = registration.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse(`${issue?.path.join(".") || "the entry"}: ${issue?.message ?? "does not fit"}`);
  }
  const known = parsed.data;
  if (known.service !== service || known.processId !== processId)
    return refuse(`it stands under another's key: it says it is ${known.service} in ${known.processId}`);
  if (rules.services?.has(service) === false) return refuse("its service is not in the config of this process");
  const aheadMs = known.registeredAt === undefined ? 0 : Date.parse(known.registeredAt) - rules.now;
  if (aheadMs > maxAheadMs)
    return refuse(`registeredAt: ${known.registeredAt} is ${Math.round(aheadMs / 1_000)} s in the future`);
  return {
    ok: true,
    record: {
      registration: known,
      measurement: swarmMeasurement.safeParse((value as JsonObject).measurement).data,
    },
  };
}

/** For whom and what an entry would be, as far as that can be read of one that does not hold. */
function readAudience(value: JsonValue): Pick<RefusedEntry, "capabilities" | "tenants"> {
  const { capabilities, tenants } = (typeof value === "object" && value !== null ? value : {}) as JsonObject;
  return {
    capabilities: registration.shape.capabilities.safeParse(capabilities).data,
    tenants: tenants === undefined ? "all" : registration.shape.tenants.safeParse(tenants).data,
  };
}
