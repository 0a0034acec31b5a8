import { ViableError } from "@viable/kernel";
import { z } from "zod";

/** Why a schema that takes its time judges nothing: what it judges is recorded at once. That it does shows only when it judges. */
export const takesTime = "has an async check or transform, and is to judge at once";

export const isAsync = (error: unknown): boolean => error instanceof z.core.$ZodAsyncError;

/**
 * What judges by a schema what a step came to: `of` says what that is. Throws what Zod throws where it does not fit, and
 * `reactor.async_schema` where the schema cannot judge at once.
 */
export function judgeBy<T>(step: string, of: "payload" | "result", schema: z.ZodType<T>): (value: unknown) => T {
  return (value) => {
    try {
      return schema.parse(value);
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
