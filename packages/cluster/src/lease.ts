import type { JsonObject, JsonValue } from "@viable/kernel";

/** What a process writes about itself. Its record's version changes with every renewal; that is all that others go by. */
export interface Lease {
  readonly epoch: number;
  /** Names of the services whose work this process takes. */
  readonly hosts: readonly string[];
  /** Where other processes reach it, where they can. */
  readonly address: string | undefined;
}

/** A process and one of its lives. A process that was lost and came back is the same id with a higher epoch. */
export interface ProcessLife {
  readonly id: string;
  readonly epoch: number;
}

/** The record that holds the last epoch given. It is never deleted and never expires: epochs would begin again. */
export const epochKey = "cluster/epoch";
export const leasePrefix = "cluster/process/";

export const leaseKey = (processId: string): string => `${leasePrefix}${processId}`;
export const processIdOf = (key: string): string => key.slice(leasePrefix.length);

export const toLeaseRecord = (lease: Lease): JsonObject => ({
  epoch: lease.epoch,
  hosts: [...lease.hosts],
  address: lease.address ?? null,
});

/** Reads a lease; undefined where the record is something else, such as a later version's that we cannot understand. */
export function fromLeaseRecord(value: JsonValue): Lease | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { epoch, hosts, address } = value as JsonObject;
  if (typeof epoch !== "number" || !Array.isArray(hosts)) return undefined;
  return {
    epoch,
    hosts: hosts.filter((host): host is string => typeof host === "string"),
    address: typeof address === "string" ? address : undefined,
  };
}
