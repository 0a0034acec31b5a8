import type { EventType } from "@viable/log";
import { eventType } from "@viable/log";
import { z } from "zod";
import { conflictPolicy } from "./policy.ts";

/** The event of a conflict between two claims on a resource. */
const conflictSettled = z.strictObject({
  resource: z.string().min(1),
  /** The one that it is, or was, held under. */
  policy: conflictPolicy,
  /** In the order of the log: first who held it, then who came. */
  claims: z
    .array(
      z.strictObject({
        by: z.string().min(1),
        processId: z.string().min(1),
        epoch: z.number().int(),
        priority: z.number().optional(),
        /** Its fencing token; absent where it was not granted. */
        token: z.number().int().min(1).optional(),
        /** Why it lost; absent where it won. */
        lost: z.string().optional(),
      }),
    )
    .length(2),
  /** Which of them has it from now on: its place in `claims`. */
  winner: z.number().int().min(0).max(1),
  reason: z.string(),
});

export const conflictSettledType = "conflict.settled";
export type ConflictSettled = Readonly<z.infer<typeof conflictSettled>>;

/** The events of conflicts that were settled. */
export const conflictEventTypes: readonly EventType[] = [eventType(conflictSettledType, conflictSettled)];
