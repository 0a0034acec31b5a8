import { agent } from "viable";
import { z } from "zod";
import { pathInput } from "../../../source/task.ts";
import { factsInput } from "../condition.ts";
import { decide } from "../decide.ts";
import { decisionRules, declaredRules } from "../decision-rules.ts";

/** Decides whether a code base may go on, by declared rules over what an analysis found. */
export const decision = agent({
  name: "decision",
  capability: "decision_making",
  description:
    "Go, no-go or go with conditions, by declared rules over the facts of an analysis; names every rule that fired",
  input: z.strictObject({
    path: pathInput.shape.path.optional().describe("The folder that the facts are about; only repeated in the answer"),
    facts: factsInput.describe(
      "What is known, as a JSON object; its member missing lists sections that did not come about",
    ),
    rules: decisionRules.optional().describe("Rules in place of the declared ones, as a JSON list"),
  }),
  risk: "low",
  joinable: true,
  handle: (_ctx, { path, facts, rules }) => ({
    ...(path !== undefined && { path }),
    ...decide(rules ?? declaredRules, facts),
    origin: rules === undefined ? "declared rules" : "given rules",
  }),
});
