import { canonicalJson } from "@viable/kernel";
import type { Holding } from "./claim-record.ts";
import type { ConflictPolicy } from "./policy.ts";
import { settle } from "./settle.ts";

/** Who asks for a resource. */
export interface Claimant {
  readonly by: string;
  readonly processId: string;
  readonly epoch: number;
  readonly policy: ConflictPolicy;
  readonly priority: number;
}

/** What becomes of a claim. `lost` says why the other one, or this one, did not win. */
export type ClaimDecision =
  | { readonly kind: "grant"; readonly reason: string }
  /** It has it already: the same token. */
  | { readonly kind: "keep" }
  | { readonly kind: "displace"; readonly reason: string; readonly lost: string }
  | {
      readonly kind: "refuse";
      readonly because: "held" | "policies_differ";
      readonly reason: string;
      readonly lost: string;
    };

/** Decides about a claim on a resource that `holding` has, where somebody who lives has it. Pure (W8). */
export function decideClaim(holding: Holding | undefined, claimant: Claimant): ClaimDecision {
  if (holding === undefined) return { kind: "grant", reason: "nobody has it" };
  if (canonicalJson(holding.policy) !== canonicalJson(claimant.policy)) {
    const lost = `it names the policy ${canonicalJson(claimant.policy)}, and the resource is held under ${canonicalJson(holding.policy)}`;
    const reason = `two policies for one resource are a conflict themselves: the one it is held under stays, and ${holding.by} with it`;
    return { kind: "refuse", because: "policies_differ", reason, lost };
  }
  if (isSame(holding, claimant)) return { kind: "keep" };
  const settlement = settle(claimant.policy, [holding, claimant]);
  // Nothing that is held is given away where the policy leaves it open.
  if (!settlement.settled)
    return { kind: "refuse", because: "held", reason: settlement.reason, lost: settlement.reason };
  const { reason } = settlement;
  const lost = settlement.losers[0]?.reason ?? reason;
  return settlement.winner === 1
    ? { kind: "displace", reason, lost }
    : { kind: "refuse", because: "held", reason, lost };
}

const isSame = (holding: Holding, { by, processId, epoch }: Claimant): boolean =>
  holding.by === by && holding.processId === processId && holding.epoch === epoch;
