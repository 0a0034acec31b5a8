import { z } from "zod";
import { jsonValue } from "./execution.ts";

/** How long is asked for at most, in milliseconds: seven days. What may wait for longer is a reactor's approval. */
const maxTimeoutMs = 7 * 24 * 3_600_000;

/** What people look at before they decide, and every client is sent. */
const maxDetailsChars = 16_384;

/** Asks all clients of a session whether something may be. An approval is this with one confirmation. */
export const requestCoordination = z.strictObject({
  /** What is to be done, for people. */
  operation: z.string().min(1).max(500),
  /** What they decide on: the effect and its arguments. */
  details: jsonValue
    .refine((value) => JSON.stringify(value).length <= maxDetailsChars, {
      error: `must have ${maxDetailsChars} characters of JSON at most`,
    })
    .optional(),
  /** How many others must say yes. One no is a no. */
  requiredConfirmations: z.number().int().min(1).max(100).default(1),
  timeoutMs: z.number().int().min(1_000).max(maxTimeoutMs),
});
export type RequestCoordination = z.infer<typeof requestCoordination>;

export const confirmation = z.strictObject({
  decision: z.enum(["approve", "reject"]),
  reason: z.string().min(1).max(500).optional(),
});
export type Confirmation = z.infer<typeof confirmation>;

const coordinationOutcome = z.enum(["approved", "rejected", "timed_out"]);

export const coordinationView = z.object({
  coordinationId: z.string(),
  sessionId: z.string(),
  operation: z.string(),
  details: jsonValue.optional(),
  requiredConfirmations: z.number().int(),
  status: z.enum(["pending", ...coordinationOutcome.options]),
  requestedBy: z.string(),
  requestedAt: z.string(),
  /** When it is timed out, if it is not settled before. */
  deadline: z.string(),
  settledAt: z.string().optional(),
  confirmations: z.array(
    z.object({
      /** The capability by which it was said: whoever else has the same says nothing more by it. */
      client: z.string(),
      by: z.string(),
      decision: confirmation.shape.decision,
      reason: z.string().optional(),
      at: z.string(),
    }),
  ),
});
export type CoordinationView = z.infer<typeof coordinationView>;

export const coordinationEvents = {
  "coordination.requested": z.object({
    operation: z.string(),
    details: jsonValue.optional(),
    requiredConfirmations: z.number().int(),
    /** Wall time in milliseconds. */
    deadline: z.number(),
    by: z.string(),
    /** The capability of whoever asks, whose own word does not count. */
    client: z.string(),
  }),
  "coordination.confirmed": z.object({
    client: z.string(),
    by: z.string(),
    decision: confirmation.shape.decision,
    reason: z.string().optional(),
  }),
  "coordination.settled": z.object({ outcome: coordinationOutcome }),
} as const;
export type CoordinationEventData<T extends keyof typeof coordinationEvents> = z.infer<(typeof coordinationEvents)[T]>;
