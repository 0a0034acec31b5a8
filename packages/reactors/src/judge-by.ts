import { ViableError } from "@viable/kernel";
import { toFieldProblems } from "@viable/protocol";
import { z } from "zod";
import { misshapen } from "./errors.ts";

/** Why a schema that takes its time judges nothing: what it judges is recorded at once. That it does shows only when it judges. */
export const takesTime = "has an async check or transform, and is to judge at once";

export const isAsync = (error: unknown): boolean => error instanceof z.core.$ZodAsyncError;

/**
 * What judges by a schema what a step came to: `of` says what that is, and `retryable` whether another try may come to something else. Throws
 * `reactor.invalid_payload` or `reactor.invalid_result` where it does not fit, `reactor.async_schema` where the schema cannot judge at once,
 * and what the schema itself throws.
 */
export function judgeBy<T>(
  step: string,
  of: "payload" | "result",
  schema: z.ZodType<T>,
  retryable = false,
): (value: unknown) => T {
  return (value) => {
    try {
      const judged = schema.safeParse(value);
      if (judged.success) return judged.data;
      throw misshapen(step, of, toFieldProblems(judged.error, of), judged.error.issues.length, retryable);
    } catch (error) {
      if (!isAsync(error)) throw error;
      throw new ViableError(
        "reactor.async_schema",
        `The step ${step} cannot be judged: the schema of its ${of} ${takesTime}.`,
        { next: "Leave the shape to the schema, and check what takes its time in a step of its own after it." },
      );
    }
  };
}
