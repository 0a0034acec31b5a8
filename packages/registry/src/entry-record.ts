import type { JsonObject, JsonValue } from "@viable/kernel";
import type { Registration, SwarmMeasurement } from "@viable/protocol";
import { registration, swarmMeasurement } from "@viable/protocol";

/** What a swarm's record in the log holds: who it is, and its load as it was when the record was written. */
export interface EntryRecord {
  readonly registration: Registration;
  /** Undefined where it cannot be read: the swarm is there all the same. */
  readonly measurement: SwarmMeasurement | undefined;
}

/** The records of all swarms have keys that begin with this. */
export const entryPrefix = "registry/";
export const entryKey = (service: string, processId: string): string => `${entryPrefix}${service}/${processId}`;

export const toEntryRecord = (known: Registration, measurement: SwarmMeasurement): JsonObject => ({
  ...known,
  capabilities: [...known.capabilities],
  measurement: { ...measurement },
});

/** Reads an entry; undefined where it is of a version that cannot be read, or none. */
export function fromEntryRecord(value: JsonValue): EntryRecord | undefined {
  const parsed = registration.safeParse(value);
  if (!parsed.success) return undefined;
  return {
    registration: parsed.data,
    measurement: swarmMeasurement.safeParse((value as JsonObject).measurement).data,
  };
}
