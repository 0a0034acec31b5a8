import { z } from "zod";
import { errorOnTheWire } from "./problem.ts";

/** A generation of a projection, and how far it has come. */
export const projectionView = z.object({
  name: z.string(),
  version: z.number().int(),
  generation: z.number().int(),
  /** `live` is the one to read, `building` is to become that, `retired` is to be taken away. */
  state: z.enum(["building", "live", "retired"]),
  /** Whether the release that answers keeps it; one of another version may be nobody's any more. */
  isKept: z.boolean(),
  position: z.string(),
  /** How many events of the log it has not looked at, whether they concern it or not. */
  lagEvents: z.number().int(),
  /** The event that it stands still before, and why. */
  parked: z
    .object({ position: z.string(), type: z.string(), code: z.string(), message: z.string(), since: z.string() })
    .optional(),
  /** Why it cannot go on at present, where that may pass. */
  failure: errorOnTheWire.optional(),
});
export type ProjectionView = z.infer<typeof projectionView>;

export const projectionList = z.object({ projections: z.array(projectionView) });
export type ProjectionList = z.infer<typeof projectionList>;
