import type { Clock } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Discovery } from "@viable/protocol";
import type { Entry, EntryQuery } from "./entry-table.ts";
import type { KnownSwarms } from "./known-swarms.ts";
import { parseVersionRange } from "./version-range.ts";

/** Swarms that the answer to one discovery holds: a person reads no more, and a program asks for less. The rest are counted. */
const maxFound = 1_000;

/** Which swarms are looked for, beside what they offer: all that is named must hold. */
export interface DiscoveryQuery {
  /** A range as npm writes it: `^1.4`, `>=2 <4`. */
  readonly version?: string | undefined;
  /** Whose question it is: only what is open to this tenant is found (W11). Where absent, what is open to all of them. */
  readonly tenant?: string | undefined;
  readonly subsystem?: string | undefined;
  /** Each must be among the swarm's own. */
  readonly tags?: readonly string[] | undefined;
}

/** Who offers a capability and fits a query, as `Registry.discover` promises it. */
export function discover(
  known: KnownSwarms,
  clock: Pick<Clock, "monotonicMs">,
  capability: string | undefined,
  { version, tenant, subsystem, tags }: DiscoveryQuery,
): Discovery {
  const isIn = version === undefined ? () => true : parseVersionRange(version);
  if (isIn === undefined)
    throw new ViableError("registry.invalid_query", `"${version}" is no range of versions.`, {
      next: "Write one as npm does, such as ^1.4 or >=2 <4.",
    });
  const find = (by: EntryQuery): readonly Entry[] =>
    known.find({ ...by, subsystem, tags }, tenant).filter(({ registration }) => isIn(registration.version));
  const exact = find({ capability });
  const found = exact.length > 0 || capability === undefined ? exact : find({ group: capability });
  const refused = known.refused.find(capability, tenant);
  return {
    ...(capability !== undefined && { capability }),
    swarms: found.slice(0, maxFound).map((entry) => toFound(known, entry, tenant, clock.monotonicMs())),
    near: found.length > 0 || capability === undefined ? [] : known.near(capability, tenant),
    ...(found.length > maxFound && { more: found.length - maxFound }),
    ...(refused.length > 0 && { refused }),
  };
}

function toFound(
  known: KnownSwarms,
  entry: Entry,
  tenant: string | undefined,
  nowMs: number,
): Discovery["swarms"][number] {
  const all = known.registrationOf(entry);
  // Who else may find it is no business of a tenant's (W11).
  const registration = all.tenants === undefined || tenant === undefined ? all : { ...all, tenants: [tenant] };
  const standing = known.outliers.standing(entry.key, nowMs);
  if (standing === undefined) return registration;
  const { state, reason, share, leftMs } = standing;
  return {
    ...registration,
    outlier: {
      state,
      reason,
      ...(state === "recovering" && { share: Math.round(share * 100) / 100 }),
      ...(state === "ejected" && { leftMs: Math.ceil(leftMs) }),
    },
  };
}
