import type { Choice, ConflictClaim, ConflictPolicy } from "./policy.ts";

/** The last wins. Claims stand in the order of the log, which is the only one that all agree on: no clock is asked. Pure. */
export function settleByNewest(
  _policy: ConflictPolicy & { readonly kind: "newest" },
  claims: readonly ConflictClaim[],
): Choice {
  const winner = claims.length - 1;
  const by = claims[winner]?.by ?? "";
  return {
    settled: true,
    winner,
    reason: `${by} is the newest in the order of the log`,
    lost: () => `${by} came after it`,
  };
}
