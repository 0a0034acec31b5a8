import type { JsonValue } from "@viable/kernel";
import { z } from "zod";

/** Names that a policy may list: more than a system has services. */
const maxNames = 256;
const name = z.string().min(1).max(200);

/**
 * How a conflict is settled: declared beforehand, as data, so that it can be recorded with what it led to.
 *
 * `priority`: whoever comes first in `order`; without one, whoever's claim has the higher number. `vote`: the answer that has the most
 * weight behind it, each claim counting 1 unless `weights` says otherwise. `lock`: the first, for as long as it holds. `newest`: the last.
 */
export const conflictPolicy = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("priority"), order: z.array(name).min(1).max(maxNames).readonly().optional() }),
  z.strictObject({
    kind: z.literal("vote"),
    weights: z
      .record(name, z.number().min(0).max(1_000_000))
      .refine((weights) => Object.keys(weights).length <= maxNames, `names more than ${maxNames}`)
      .readonly()
      .optional(),
  }),
  z.strictObject({ kind: z.literal("lock") }),
  z.strictObject({ kind: z.literal("newest") }),
]);

export type ConflictPolicy = z.infer<typeof conflictPolicy>;

/** One side of a conflict: who wants a resource, or who answered what. */
export interface ConflictClaim {
  readonly by: string;
  /** Higher comes first under `priority` without an order. Default 0. */
  readonly priority?: number | undefined;
  /** What it answered; absent where a resource is what is claimed. */
  readonly answer?: JsonValue | undefined;
}

/** What a policy makes of claims, told by their places in the list. */
export type Choice =
  | {
      readonly settled: true;
      readonly winner: number;
      readonly reason: string;
      /** Why the claim at a place did not win. */
      readonly lost: (index: number) => string;
    }
  | { readonly settled: false; readonly reason: string };
