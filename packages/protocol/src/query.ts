import { z } from "zod";
import { jsonValue } from "./execution.ts";

/** The longest that a caller may wait for an answer, in milliseconds: a query is answered at once. What takes longer is a command. */
export const maxQueryMs = 300_000;

export const askQuery = z.strictObject({
  query: z.string().min(1).max(200),
  args: z.record(z.string(), jsonValue).default({}),
  deadlineMs: z.number().int().min(1).max(maxQueryMs).optional(),
});
export type AskQuery = z.input<typeof askQuery>;

/** What was answered, and by whom. Nothing of it is recorded. */
export const queryAnswer = z.object({
  query: z.string(),
  result: jsonValue,
  answeredBy: z.object({ service: z.string(), processId: z.string() }),
});
export type QueryAnswer = z.infer<typeof queryAnswer>;

/** A query as the list of queries shows it. */
export const queryDescriptor = z.object({
  query: z.string(),
  description: z.string(),
  services: z.array(z.string()),
  /** JSON Schema of the arguments. */
  input: z.record(z.string(), z.json()),
  timeoutMs: z.number(),
  /** Whether somebody who runs a service that answers it is known at present. */
  available: z.boolean(),
});
export type QueryDescriptor = z.infer<typeof queryDescriptor>;

export const queryList = z.object({ queries: z.array(queryDescriptor) });
export type QueryList = z.infer<typeof queryList>;
