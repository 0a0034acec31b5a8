import { canonicalJson, ViableError } from "@viable/kernel";
import { settleByLock } from "./lock.ts";
import { settleByNewest } from "./newest.ts";
import type { Choice, ConflictClaim, ConflictPolicy } from "./policy.ts";
import { conflictPolicy } from "./policy.ts";
import { settleByPriority } from "./priority.ts";
import { settleByVote } from "./vote.ts";

/** How a conflict ended: who won and why, and why each of the others did not. Places are those in the list of claims. */
export type Settlement =
  | {
      readonly settled: true;
      readonly winner: number;
      readonly losers: readonly { readonly claim: number; readonly reason: string }[];
      readonly reason: string;
    }
  /** The policy leaves it open, as a vote that ends in a tie does. */
  | { readonly settled: false; readonly reason: string };

const settlers: {
  readonly [K in ConflictPolicy["kind"]]: (policy: never, claims: readonly ConflictClaim[]) => Choice;
} = { priority: settleByPriority, vote: settleByVote, lock: settleByLock, newest: settleByNewest };

/**
 * Settles a conflict by a declared policy. Pure: the same policy and claims, the same answer. Claims stand in the order of the log,
 * oldest first, which is what `lock` and `newest` go by. Whoever gave the same answer as the winner has not lost.
 *
 * Throws `registry.unknown_policy` for a policy that is none, and `registry.no_claims` without claims.
 */
export function settle(policy: ConflictPolicy, claims: readonly ConflictClaim[]): Settlement {
  const known = checkPolicy(policy);
  if (claims.length === 0) throw new ViableError("registry.no_claims", "Without a claim there is nothing to settle.");
  const choice = settlers[known.kind](known as never, claims);
  if (!choice.settled) return choice;
  const { winner, reason, lost } = choice;
  const winning = claims[winner] as ConflictClaim;
  const losers = claims.flatMap((claim, index) =>
    index === winner || agrees(claim, winning) ? [] : [{ claim: index, reason: lost(index) }],
  );
  return { settled: true, winner, losers, reason };
}

/** A policy with what it does, for whoever takes something to settle conflicts by, such as a quorum plan. */
export const settleBy = (policy: ConflictPolicy) =>
  Object.freeze({
    policy: Object.freeze(checkPolicy(policy)),
    /** Whether it goes by the order of the log, so that it must be given claims in that. */
    byLogOrder: policy.kind === "lock" || policy.kind === "newest",
    settle: (claims: readonly ConflictClaim[]) => settle(policy, claims),
  });

/** The policy, where it is one. Throws `registry.unknown_policy`: what is not known is not guessed. */
export function checkPolicy(policy: unknown): ConflictPolicy {
  const parsed = conflictPolicy.safeParse(policy);
  if (parsed.success) return parsed.data;
  throw new ViableError(
    "registry.unknown_policy",
    `Conflicts cannot be settled by this policy: ${parsed.error.issues[0]?.message ?? "it is none"}.`,
    { next: `Declare one of these kinds: ${Object.keys(settlers).join(", ")}.` },
  );
}

const agrees = (a: ConflictClaim, b: ConflictClaim): boolean =>
  a.answer !== undefined && b.answer !== undefined && canonicalJson(a.answer) === canonicalJson(b.answer);
