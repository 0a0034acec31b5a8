import { agent } from "viable";
import { z } from "zod";
import { conditionInput, factsInput } from "../condition.ts";
import { createBudget, evaluateCondition } from "../evaluate-condition.ts";
import { ruleNamesAreUnique } from "../rule-names.ts";

/** People keep no more in one set; who does asks twice. */
const maxRules = 200;

const rule = z.strictObject({
  name: z.string().min(1).max(100),
  when: conditionInput.describe("A condition: {all: […]}, {any: […]}, {not: …} or {fact, operator, value}"),
  conclusion: z.json().optional().describe("Handed back when the rule fires; nothing is done with it here"),
});

/** Evaluates rules that a caller declares. */
export const rules = agent({
  name: "rules",
  capability: "business_rules",
  description:
    "Evaluates declared rules over facts: which fired, which did not, which cannot be judged and for lack of what",
  input: z.strictObject({
    facts: factsInput.describe("What is known, as a JSON object; rules name its members, inner ones joined by dots"),
    rules: z.array(rule).min(1).max(maxRules).superRefine(ruleNamesAreUnique).describe("The rules, as a JSON list"),
  }),
  risk: "low",
  joinable: true,
  handle(_ctx, { facts, rules: declared }) {
    const budget = createBudget();
    const fired: { name: string; because: string[]; conclusion?: z.output<typeof rule>["conclusion"] }[] = [];
    const notFired: { name: string; because: string[] }[] = [];
    const undecided: { name: string; lacking: string[] }[] = [];
    for (const { name, when, conclusion } of declared) {
      const { holds, because } = evaluateCondition(when, facts, budget);
      if (holds === undefined) undecided.push({ name, lacking: [...because] });
      else if (holds) fired.push({ name, because: [...because], ...(conclusion !== undefined && { conclusion }) });
      else notFired.push({ name, because: [...because] });
    }
    return { evaluated: declared.length, fired, notFired, undecided, origin: "given rules" };
  },
});
