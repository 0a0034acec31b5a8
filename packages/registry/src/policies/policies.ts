import { leastLoaded } from "./least-loaded.ts";
import { localFirst } from "./local-first.ts";
import type { Policy } from "./policy.ts";
import { powerOfTwo } from "./power-of-two.ts";
import { weighted } from "./weighted.ts";

/** The policies that a routing rule may name. A new one is a file, and a line here. */
export const policies = {
  "least-loaded": leastLoaded,
  "power-of-two": powerOfTwo,
  weighted,
  "local-first": localFirst,
} as const satisfies Record<string, Policy>;

export type PolicyName = keyof typeof policies;
export const policyNames = Object.keys(policies) as readonly PolicyName[];
