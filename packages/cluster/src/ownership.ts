import type { JsonObject, JsonValue } from "@viable/kernel";
import { invalidPart } from "./errors.ts";

/**
 * Who has a part, as its record says. The record is never deleted, since the token would begin again; a part that nobody has names no
 * process.
 */
export interface Ownership {
  /** Undefined where its last owner gave it back. */
  readonly processId: string | undefined;
  readonly epoch: number;
  /** Grows with every change of hands, also when a part is given back. */
  readonly token: number;
  /** Version of the record. */
  readonly version: number;
}

/** Where a part's two records are. The fence is a record of its own, so that nobody who watches owners hears of guarded writes. */
export interface PartKeys {
  readonly part: string;
  readonly ownerKey: string;
  readonly fenceKey: string;
}

export const singletonPrefix = "cluster/singleton/";

export const singletonKeys = (name: string): PartKeys => ({
  part: name,
  ownerKey: `${singletonPrefix}${name}`,
  fenceKey: `cluster/fence/singleton/${name}`,
});

export const placementPrefix = (service: string): string => `cluster/placement/${service}/`;
export const partPrefix = (service: string): string => `${placementPrefix(service)}part/`;
export const offerPrefix = (service: string): string => `${placementPrefix(service)}offer/`;

export const placementKeys = (service: string, part: string): PartKeys => ({
  part,
  ownerKey: `${partPrefix(service)}${part}`,
  fenceKey: `cluster/fence/placement/${service}/${part}`,
});

/** Letters, digits and `._:-`, beginning with a letter or digit; two of them, and what stands around them, are well below a key's 512. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** Throws `cluster.invalid_part` where the name cannot stand in a key. */
export function checkPartName(name: string): void {
  if (!namePattern.test(name)) throw invalidPart(name);
}

export const toOwnerRecord = (part: string, owner: Omit<Ownership, "version">): JsonObject => ({
  part,
  processId: owner.processId ?? null,
  epoch: owner.epoch,
  token: owner.token,
});

/** Reads an owner; undefined where there is no record, or one that we cannot understand. */
export function fromOwnerRecord(value: JsonValue, version: number): Ownership | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { processId, epoch, token } = value as JsonObject;
  if (typeof epoch !== "number" || typeof token !== "number") return undefined;
  return { processId: typeof processId === "string" ? processId : undefined, epoch, token, version };
}

export const readToken = (value: JsonValue | undefined): number | undefined => {
  const token = (value as { token?: unknown } | null | undefined)?.token;
  return typeof token === "number" ? token : undefined;
};
