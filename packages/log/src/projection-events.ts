import { z } from "zod";
import { eventType } from "./event-type.ts";

/** The stream on which it is told what becomes of a projection. */
export const projectionStream = (name: string): string => `projection:${name}`;

const generation = z.object({ generation: z.number().int(), version: z.number().int() });
const place = generation.extend({ position: z.string(), type: z.string() });

/** The events that this room writes: what becomes of projections. */
export const logEventTypes = [
  /** A generation has caught up and is the one to read. */
  eventType("projection.switched", generation),
  /** A generation stands still before an event that it cannot do. */
  eventType("projection.parked", place.extend({ code: z.string(), message: z.string() })),
  /** Somebody has said that it is to go on without that event. */
  eventType("projection.event_skipped", place.extend({ by: z.string(), reason: z.string() })),
  /** Somebody has asked for another generation. */
  eventType("projection.rebuild_begun", generation.extend({ by: z.string() })),
] as const;
