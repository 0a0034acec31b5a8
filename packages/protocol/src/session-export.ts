import { z } from "zod";
import { eventView } from "./event.ts";
import { executionView } from "./execution.ts";
import { sessionView } from "./session.ts";

export const exportFormat = z.enum(["json", "csv", "markdown"]);
export type ExportFormat = z.infer<typeof exportFormat>;

/** Asks for all that a session holds: itself, its executions and its events, as they are now. */
export const requestExport = z.strictObject({ format: exportFormat });
export type RequestExport = z.infer<typeof requestExport>;

export const exportAccepted = z.object({
  exportId: z.string(),
  /** Where it is read, as often as wanted: it is made of the log while it is read, always up to the same event. */
  url: z.string(),
});
export type ExportAccepted = z.infer<typeof exportAccepted>;

/** An export in the format `json`. */
export const sessionExport = z.object({
  session: sessionView,
  executions: z.array(executionView),
  events: z.array(eventView),
});

export const exportEvents = {
  "export.requested": z.object({
    format: exportFormat,
    sessionId: z.string(),
    /** The last event that it holds. */
    upTo: z.string(),
    by: z.string(),
  }),
} as const;
