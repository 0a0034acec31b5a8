import type { ErrorOnTheWire, JsonObject } from "@viable/kernel";
import { z } from "zod";

/** See `ErrorOnTheWire` in kernel. */
export const errorOnTheWire: z.ZodType<ErrorOnTheWire> = z.lazy(() =>
  z.object({
    code: z.string(),
    message: z.string(),
    next: z.string().optional(),
    retryable: z.boolean(),
    details: z.record(z.string(), z.json()).optional() as z.ZodType<JsonObject | undefined>,
    cause: errorOnTheWire.optional(),
  }),
) as z.ZodType<ErrorOnTheWire>;

/** What is wrong with one field of a request. */
export const fieldProblem = z.object({ path: z.string(), reason: z.string() });
export type FieldProblem = z.infer<typeof fieldProblem>;

/** An error answer (RFC 9457, `application/problem+json`). `code` is stable; the other texts are for people. */
export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string(),
  /** What to do about it. */
  next: z.string().optional(),
  retryable: z.boolean(),
  /** Why, one line each: every decision explains itself. */
  reasons: z.array(z.string()),
  /** Where in the request, if it is there. */
  errors: z.array(fieldProblem).optional(),
});
export type Problem = z.infer<typeof problem>;

/** Turns Zod's issues into paths and reasons such as `args.path: expected string, received undefined`. */
export function toFieldProblems(error: z.ZodError, under: string): FieldProblem[] {
  return error.issues.slice(0, 20).map((issue) => ({
    path: issue.path.reduce<string>(
      (path, key) => (typeof key === "number" ? `${path}[${key}]` : `${path}.${String(key)}`),
      under,
    ),
    reason: issue.message.replace(/^Invalid input: /, ""),
  }));
}
