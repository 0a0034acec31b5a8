import { canonicalJson } from "@viable/kernel";
import type { Choice, ConflictClaim, ConflictPolicy } from "./policy.ts";

/**
 * The answer with the most weight behind it; answers are equal where their canonical JSON is. Answers of equal weight settle nothing:
 * a tie is told, and not broken by who happened to come first. Nor does weight nought win. Pure.
 */
export function settleByVote(
  { weights = {} }: ConflictPolicy & { readonly kind: "vote" },
  claims: readonly ConflictClaim[],
): Choice {
  const answers = claims.map(({ answer = null }) => canonicalJson(answer));
  const votes = new Map<string, number>();
  claims.forEach(({ by }, index) => {
    const answer = answers[index] as string;
    votes.set(answer, (votes.get(answer) ?? 0) + (Object.hasOwn(weights, by) ? (weights[by] as number) : 1));
  });
  const votesOf = (index: number): number => votes.get(answers[index] as string) ?? 0;
  const all = [...votes.values()].reduce((sum, weight) => sum + weight, 0);
  const most = Math.max(...votes.values());
  const leading = [...votes.values()].filter((weight) => weight === most).length;
  if (most === 0) return { settled: false, reason: "no vote has any weight" };
  if (leading > 1) return { settled: false, reason: `tie: ${leading} answers have ${most} of ${all} votes each` };
  const winner = claims.findIndex((_, index) => votesOf(index) === most);
  return {
    settled: true,
    winner,
    reason: `its answer has ${most} of ${all} votes`,
    lost: (index) => `its answer has ${votesOf(index)} of ${all} votes, another has ${most}`,
  };
}
