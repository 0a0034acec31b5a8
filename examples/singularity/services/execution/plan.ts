import type { JsonObject, JsonValue } from "viable";
import { z } from "zod";
import { findOrderProblems } from "./dependency-order.ts";
import { findReferenceProblems, listReferences } from "./step-references.ts";
import { argsInput, capabilityInput } from "./task-input.ts";

/** A plan that somebody can look over; longer lists of equal work are for batch_execution. */
const maxSteps = 200;
const maxAfter = 50;

const id = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "starts with a letter or digit and has only those and . _ -")
  .max(100);

const step = z.strictObject({
  id,
  capability: capabilityInput,
  args: argsInput.describe('Its arguments; {"$from": "id", "path": "a.b"} stands for what an earlier step answered'),
  after: z.array(z.string().max(100)).max(maxAfter).default([]).describe("Steps that come first"),
  onFailure: z
    .enum(["stop", "continue"])
    .default("stop")
    .describe("Whether the plan begins nothing more when this step fails, or goes on without its answer"),
});

export interface Step {
  readonly id: string;
  readonly capability: string;
  readonly args: JsonObject;
  /** Steps that come first: those it names, and those whose answers it takes. */
  readonly after: readonly string[];
  readonly onFailure: "stop" | "continue";
}

/** Steps in the order they were written. Refused with the place where an id is unknown or there twice, or steps wait for each other. */
export const stepsInput = z
  .array(step)
  .min(1)
  .max(maxSteps)
  .transform((steps, refinement): Step[] => {
    const planned = steps.map((each): Step => {
      const args = each.args as JsonObject;
      return { ...each, args, after: [...new Set([...each.after, ...listReferences(args)])] };
    });
    const problems = [
      ...steps.flatMap(({ args }, index) => {
        const found = findReferenceProblems(args as JsonValue, new Set(steps.map((other) => other.id)));
        return found.map(({ path, reason }) => ({ path: [index, "args", ...path], reason }));
      }),
      // With what is taken, an order that is written right may still be a circle.
      ...findOrderProblems(steps),
    ];
    const all = problems.length > 0 ? problems : findOrderProblems(planned);
    for (const { path, reason } of all) refinement.addIssue({ code: "custom", path, message: reason });
    return planned;
  });
