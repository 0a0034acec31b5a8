import { z } from "zod";
import { executionView, saidApproval } from "./execution.ts";

/** What a receiver is told of: an outcome of an execution, or that it has begun to wait for a person. */
export const webhookTopic = z.enum([
  "execution.completed",
  "execution.failed",
  "execution.cancelled",
  "execution.timed_out",
  "execution.waiting",
]);
export type WebhookTopic = z.infer<typeof webhookTopic>;

/** What a person is asked for, where an execution waits for one. */
export const webhookApproval = z.object({
  approvalId: z.string(),
  title: z.string(),
  /** The run whose step asks; absent where the command itself waits. */
  runId: z.string().optional(),
  /** The execution that waits, where it is a command. */
  executionId: z.string().optional(),
  untilAt: z.string().optional(),
});
export type WebhookApproval = z.infer<typeof webhookApproval>;

/** Members of an execution that are left out of a message where it would be too large. */
const omittedMember = z.enum(["result", "args", "progress", "error"]);

/** The body of a message (Standard Webhooks): under 20 KB. The same message may come again; its `webhook-id` is the same then. */
export const webhookMessage = z.object({
  type: webhookTopic,
  /** When it came to be due. */
  timestamp: z.string(),
  data: executionView.omit({ args: true }).extend({
    args: executionView.shape.args.optional(),
    /** Where to read the whole, with a token. */
    pollUrl: z.string(),
    /** What was too large; of an error its code and the beginning of its message are left. Absent where all is here. */
    omitted: z.array(omittedMember).optional(),
    /** Also with an outcome, where a person was asked before the command itself began: then what was said. */
    approval: webhookApproval.extend(saidApproval.shape).optional(),
  }),
});
export type WebhookMessage = z.infer<typeof webhookMessage>;

/** The events of a delivery's stream. What a receiver answered beside its status is in none of them. */
export const webhookEvents = {
  "webhook.due": z.object({
    executionId: z.string(),
    url: z.string(),
    topic: webhookTopic,
    approval: webhookApproval.optional(),
  }),
  /** A try that did not deliver it. `retryAt`, wall time in milliseconds, where there is another. */
  "webhook.attempted": z.object({
    attempt: z.number().int().min(1),
    ms: z.number(),
    status: z.number().int().optional(),
    code: z.string(),
    retryAt: z.number().optional(),
  }),
  "webhook.delivered": z.object({ attempt: z.number().int().min(1), ms: z.number(), status: z.number().int() }),
  /** It is not tried any more, until a person has it sent again. */
  "webhook.dead": z.object({ code: z.string(), message: z.string() }),
  "webhook.replayed": z.object({ by: z.string() }),
} as const;
export type WebhookEventType = keyof typeof webhookEvents;
export type WebhookEventData<T extends WebhookEventType> = z.infer<(typeof webhookEvents)[T]>;

/** One try of a delivery. */
const webhookTry = z.object({
  attempt: z.number().int(),
  at: z.string(),
  ms: z.number(),
  status: z.number().int().optional(),
  /** Why it did not deliver; absent where it did. */
  code: z.string().optional(),
});

/** A delivery as clients see it. */
export const webhookView = z.object({
  /** What the receiver gets as `webhook-id`. */
  deliveryId: z.string(),
  executionId: z.string(),
  sessionId: z.string().optional(),
  topic: webhookTopic,
  url: z.string(),
  status: z.enum(["pending", "delivered", "dead"]),
  dueAt: z.string(),
  /** How often it was tried in all. */
  attempts: z.number().int(),
  /** The last tries, the oldest first. */
  tries: z.array(webhookTry),
  /** When it is tried next, where it is pending. */
  nextAt: z.string().optional(),
  endedAt: z.string().optional(),
  /** Why it is not tried any more, where it is dead. */
  dead: z.object({ code: z.string(), message: z.string() }).optional(),
});
export type WebhookView = z.infer<typeof webhookView>;

/** A page of deliveries, the newest first. */
export const webhookPage = z.object({ webhooks: z.array(webhookView), next: z.string().optional() });
export type WebhookPage = z.infer<typeof webhookPage>;
