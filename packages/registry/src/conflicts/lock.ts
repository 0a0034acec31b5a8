import type { Choice, ConflictClaim, ConflictPolicy } from "./policy.ts";

/** The first has it and keeps it, whoever comes. Claims stand in the order of the log. Pure. */
export function settleByLock(
  _policy: ConflictPolicy & { readonly kind: "lock" },
  claims: readonly ConflictClaim[],
): Choice {
  const by = claims[0]?.by ?? "";
  return {
    settled: true,
    winner: 0,
    reason: `${by} was first, and keeps it until it lets go or is gone`,
    lost: () => `${by} was first`,
  };
}
