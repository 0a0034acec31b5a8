import type { Choice, ConflictClaim, ConflictPolicy } from "./policy.ts";

/** Whoever stands first in the declared order; without one, the claim of the highest number. Of equal ones the first claim. Pure. */
export function settleByPriority(
  { order }: ConflictPolicy & { readonly kind: "priority" },
  claims: readonly ConflictClaim[],
): Choice {
  const places = new Map(order?.map((by, index) => [by, index]));
  /** Lower is better. Who is not in the order comes after all that are. */
  const rankOf = ({ by, priority = 0 }: ConflictClaim): number =>
    order === undefined ? -priority : (places.get(by) ?? order.length);
  const describe = (claim: ConflictClaim): string => {
    if (order === undefined) return `has priority ${claim.priority ?? 0}`;
    const place = places.get(claim.by);
    return place === undefined ? "is not in the declared order" : `is number ${place + 1} of the declared order`;
  };
  const ranks = claims.map(rankOf);
  const best = Math.min(...ranks);
  const winner = ranks.indexOf(best);
  const first = claims[winner] as ConflictClaim;
  const tied = ranks.filter((rank) => rank === best).length > 1;
  return {
    settled: true,
    winner,
    reason: `${first.by} ${describe(first)}${tied ? ", and of those that are equal it came first" : ""}`,
    lost: (index) =>
      ranks[index] === best
        ? `came after ${first.by}, which has the same rank`
        : `${describe(claims[index] as ConflictClaim)}, and ${first.by} ${describe(first)}`,
  };
}
