import type { RecordWrite } from "@viable/log";

/** Under which executions are noted whose outcome is to be sent to somebody: whoever sends it takes the note away. */
export const openWebhooks = "webhooks/open/";

/** The note of one: written with its acceptance, so that no crash comes between them (W1). */
export const openWebhook = (tenant: string, executionId: string): RecordWrite => ({
  key: openWebhooks + executionId,
  value: { tenant },
  expected: "any",
});
