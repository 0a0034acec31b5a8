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
  /** Names of members of `data` that were left out of a live feed because they are large; the event itself has them. */
  omitted: z.array(z.string()).optional(),
});
export type EventView = z.infer<typeof eventView>;

export const eventPage = z.object({ events: z.array(eventView), next: z.string() });
export type EventPage = z.infer<typeof eventPage>;
