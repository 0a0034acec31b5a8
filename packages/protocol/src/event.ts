import { z } from "zod";
import { jsonValue } from "./execution.ts";

/** An event as clients see it. */
export const eventView = z.object({
  id: z.string(),
  type: z.string(),
  stream: z.string(),
  version: z.number().int(),
  /** Opaque; hand it back to go on from here. */
  position: z.string(),
  time: z.string(),
  tenant: z.string(),
  actor: z.string(),
  sessionId: z.string().optional(),
  correlationId: z.string().optional(),
  causationId: z.string().optional(),
  traceparent: z.string().optional(),
  data: z.record(z.string(), jsonValue),
  /** Members of `data` that were left out of a live feed because they are large, such as `result` or `wait.details`; the event itself has them. */
  omitted: z.array(z.string()).optional(),
  /** Why `data` stands here as it was written, and not in the shape that this release gives it. */
  undecodable: z.string().optional(),
});
export type EventView = z.infer<typeof eventView>;

/** How often a quiet feed sends a comment, in milliseconds, so that proxies and clients do not take it for a dead one. */
export const feedHeartbeatMs = 15_000;

export const eventPage = z.object({ events: z.array(eventView), next: z.string() });
export type EventPage = z.infer<typeof eventPage>;

/** Events of one execution, oldest first. `next` is where to go on; absent where that was all there is so far. */
export const executionEventPage = z.object({ events: z.array(eventView), next: z.string().optional() });
export type ExecutionEventPage = z.infer<typeof executionEventPage>;
