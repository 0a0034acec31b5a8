import type { EventType, NewEvent } from "@viable/log";
import { eventType } from "@viable/log";
import { errorOnTheWire } from "@viable/protocol";
import { z } from "zod";

/** The stream on which it is told which planned times of a schedule had no run. */
export const scheduleStream = (name: string): string => `schedule:${name}`;

/** No run begins for the planned times from one to another, wall time in milliseconds, both included. */
const skippedData = z.object({
  schedule: z.string(),
  from: z.number(),
  to: z.number(),
  /** `missed`: nobody was there. `running`: the run before had not ended. `failed`: there was no input, or none that fits. */
  reason: z.enum(["missed", "running", "failed"]),
  /** With `running`, the run that had not ended. */
  runId: z.string().optional(),
  error: errorOnTheWire.optional(),
});
export type Skipped = z.infer<typeof skippedData>;

export const skipped = (data: Skipped): NewEvent => ({ type: "schedule.skipped", data });

/** What schedules write. That a run began is told by the run. */
export const scheduleEventTypes: readonly EventType[] = [eventType("schedule.skipped", skippedData)];
