import { z } from "zod";

/** Somebody tried what they may not. */
const violation = z.object({
  /** The code it was refused with. */
  code: z.string(),
  /** What was asked for: `command/NAME`, `query/NAME` or `view/NAME`. */
  address: z.string(),
  reason: z.string(),
  /** In whose name. */
  principal: z.string(),
  /** The last link of the capability by which it was tried; absent where none was shown, as by an agent. */
  capabilityId: z.string().optional(),
  /** How many of the same kind were not recorded since the last one. */
  more: z.number().int(),
});
export type ViolationData = z.infer<typeof violation>;

export const violationEvents = {
  "security.violation": violation,
  /** The same principal does it again and again: a pain, for whoever looks after the whole. */
  "security.alarm": z.object({
    principal: z.string(),
    /** How many there were in the last hour, all kinds of them. */
    violations: z.number().int(),
    withinMs: z.number().int(),
    /** The latest of them. */
    latest: violation.omit({ more: true }),
  }),
} as const;
