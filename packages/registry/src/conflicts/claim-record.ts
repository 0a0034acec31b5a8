import { createHash } from "node:crypto";
import type { JsonObject, JsonValue } from "@viable/kernel";
import { z } from "zod";
import { conflictPolicy } from "./policy.ts";

/** Who has a resource, as its record holds it. */
const holding = z.strictObject({
  by: z.string(),
  processId: z.string(),
  epoch: z.number(),
  token: z.number(),
  policy: conflictPolicy,
  priority: z.number(),
  holdMs: z.number().nullable(),
  /** How often it was claimed again by who has it: each time its time begins anew. */
  renewals: z.number(),
  /** Wall time in milliseconds, for people. */
  since: z.number(),
});
export type Holding = Readonly<z.infer<typeof holding>>;

/** The records of all holdings have keys that begin with this; then tenant and resource, so that no tenant sees another's (W11). */
export const holdingPrefix = "conflict/";
const tokenPrefix = "conflict-token/";

/** Counters that a tenant's tokens are drawn from. One would have all claims of a tenant race for it; one for each resource would never be done with. */
const tokenCounters = 64;

// Names are whatever users choose: `%`-escapes keep them apart from the slashes between the parts.
export const tenantPrefix = (tenant: string): string => `${holdingPrefix}${encodeURIComponent(tenant)}/`;
export const holdingKey = (tenant: string, resource: string): string =>
  tenantPrefix(tenant) + encodeURIComponent(resource);
export const resourceOf = (key: string): string => decodeURIComponent(key.slice(key.lastIndexOf("/") + 1));
export const conflictStream = (tenant: string, resource: string): string =>
  `conflict:${encodeURIComponent(tenant)}/${encodeURIComponent(resource)}`;

/**
 * The counter that a resource's tokens come from. It is never deleted and never expires, so tokens of a resource only grow, also after
 * its own record was forgotten.
 */
export function tokenKey(tenant: string, resource: string): string {
  const [byte = 0] = createHash("sha256").update(resource).digest();
  return `${tokenPrefix}${encodeURIComponent(tenant)}/${byte % tokenCounters}`;
}

export const toHoldingRecord = (held: Holding): JsonObject => ({ ...held });
/** Undefined where it is of a version that cannot be read. */
export const fromHoldingRecord = (value: JsonValue): Holding | undefined => holding.safeParse(value).data;
