import type { Context } from "@viable/kernel";
import { createTurns } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { Grant } from "../grant.ts";

const keyPrefix = "security/uses/";
/** How often a use is counted again where another process counted one meanwhile. Within a process they take turns. */
const maxTries = 50;
/** How long a count is kept beyond the end of what it counts, in milliseconds: clocks of processes differ. */
const keptMs = 24 * 3_600_000;

export type UseTaken =
  | {
      readonly ok: true /** It came to nothing: the use is there again, unless that cannot be written. */;
      giveBack(): Promise<void>;
    }
  | { readonly ok: false; readonly reason: "used_up"; readonly capabilityId: string; readonly maxUses: number }
  /** It could not be counted, so it is not had. */
  | { readonly ok: false; readonly reason: "busy"; readonly retryAfterMs: number };

/** Counts the uses of capabilities that may be used so often and no more, exactly, over all processes of a log. */
export interface Uses {
  /** Takes one use of every link that has a number of them, or of none. */
  take(ctx: Context, grant: Grant): Promise<UseTaken>;
}

type Counting = { readonly ok: true } | (UseTaken & { readonly ok: false });

interface Counted {
  readonly capabilityId: string;
  readonly maxUses: number;
  /** Until when it can be used: what came of it by narrowing may end before, and be used by others no more. */
  readonly expiresAt: number;
}

export function createUses(log: Log): Uses {
  const turns = createTurns();

  /** Counts one more of each, or one less; all of them or none. */
  const count = async (ctx: Context, links: readonly Counted[], by: 1 | -1): Promise<Counting> => {
    for (let tries = 0; tries < maxTries; tries++) {
      const found = await Promise.all(links.map(({ capabilityId }) => log.getRecord(ctx, keyPrefix + capabilityId)));
      const used = found.map((record) => (record === undefined ? 0 : (record.value as { used: number }).used));
      const spent = links.find(({ maxUses }, index) => (used[index] ?? 0) + by > maxUses);
      if (spent !== undefined) {
        const { capabilityId, maxUses } = spent;
        return { ok: false, reason: "used_up", capabilityId, maxUses };
      }
      const outcome = await log.append(ctx, {
        records: links.map(({ capabilityId, expiresAt }, index) => ({
          key: keyPrefix + capabilityId,
          value: { used: Math.max(0, (used[index] ?? 0) + by) },
          expected: found[index]?.version ?? 0,
          expiresAt: Number.isFinite(expiresAt) ? expiresAt + keptMs : null,
        })),
      });
      if (outcome.ok) return { ok: true };
      if (outcome.reason === "overloaded") return { ok: false, reason: "busy", retryAfterMs: outcome.retryAfterMs };
    }
    return { ok: false, reason: "busy", retryAfterMs: 1_000 };
  };

  return {
    async take(ctx, grant) {
      const counted = countedIn(grant);
      const [first] = counted;
      if (first === undefined) return { ok: true, giveBack: async () => undefined };
      const turn = (by: 1 | -1) => turns.take(first.capabilityId, () => count(ctx, counted, by));
      const taken = await turn(1);
      return taken.ok ? { ok: true, giveBack: async () => void (await turn(-1)) } : taken;
    },
  };
}

/** Whether a grant's uses have a number at all. */
export const isCounted = ({ links }: Grant): boolean =>
  links?.some(({ restrictions }) => restrictions.maxUses !== undefined) === true;

function countedIn({ links = [] }: Grant): Counted[] {
  const counted: Counted[] = [];
  let expiresAt = Number.POSITIVE_INFINITY;
  for (const { capabilityId, restrictions } of links) {
    expiresAt = Math.min(expiresAt, restrictions.expiresAt ?? Number.POSITIVE_INFINITY);
    const { maxUses } = restrictions;
    if (maxUses !== undefined) counted.push({ capabilityId, maxUses, expiresAt });
  }
  return counted;
}

/** A use that was not had, as a refusal. */
export function whyUnused(use: UseTaken & { readonly ok: false }): {
  readonly kind: "denied" | "overloaded";
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
} {
  if (use.reason === "busy") {
    const message = "The token's uses are being counted by many at once.";
    return { kind: "overloaded", code: "security.uses_busy", message, retryAfterMs: use.retryAfterMs };
  }
  const times = use.maxUses === 1 ? "once" : `${use.maxUses} times`;
  return { kind: "denied", code: "security.used_up", message: `The token could be used ${times}, and has been.` };
}
