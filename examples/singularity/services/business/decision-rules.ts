import { z } from "zod";
import { conditionInput } from "./condition.ts";
import { ruleNamesAreUnique } from "./rule-names.ts";

/** More rules than a decision can be explained by. */
const maxRules = 100;

const decisionRule = z.strictObject({
  name: z.string().min(1).max(100),
  effect: z.enum(["no-go", "condition"]).describe("What follows when it fires: no at all, or yes under a condition"),
  when: conditionInput,
  reason: z.string().min(1).max(300).describe("Why, for people; {name} stands for a fact"),
  needs: z
    .array(z.string().max(100))
    .max(20)
    .optional()
    .describe("Sections without which a fact that is zero says nothing"),
});

export const decisionRules = z.array(decisionRule).min(1).max(maxRules).superRefine(ruleNamesAreUnique);

export type DecisionRule = z.infer<typeof decisionRule>;

/**
 * The rules where none are given. Numbers are compared with shares of what the code base has of the kind, so that a large one is not
 * judged by its size; where exactly the line is drawn is a choice, and who draws it elsewhere gives rules of their own.
 */
export const declaredRules: readonly DecisionRule[] = [
  {
    name: "nothing-to-judge",
    effect: "no-go",
    when: { fact: "lines", operator: "equal", value: 0 },
    reason: "There is no source here.",
  },
  {
    name: "secrets-in-files",
    effect: "no-go",
    when: { fact: "secrets", operator: "greaterThan", value: 0 },
    reason: "Secrets written into files: {secrets}. Whoever has the files has them; take them out and replace them.",
  },
  {
    name: "denied-licences",
    effect: "no-go",
    // Without dependencies there is nothing that anybody could have denied, whoever judged.
    when: {
      all: [
        { fact: "dependencies", operator: "greaterThan", value: 0 },
        { fact: "deniedLicences", operator: "greaterThan", value: 0 },
      ],
    },
    needs: ["compliance"],
    reason: "Dependencies under licences that the policy denies: {deniedLicences}.",
  },
  {
    name: "unknown-licences",
    effect: "condition",
    when: { fact: "unknownLicences", operator: "greaterThan", value: 0 },
    reason: "Look up under which licences they are: {unknownLicences} of {dependencies} dependencies.",
  },
  {
    name: "broken-syntax",
    effect: "condition",
    when: { fact: "syntaxErrors", operator: "greaterThan", value: 0 },
    needs: ["graph"],
    reason: "Mend or leave out what does not parse: {syntaxErrors} errors.",
  },
  {
    name: "runtime-cycles",
    effect: "condition",
    // One circle among fifty modules can be lived with; more make the order in which modules load a matter of luck.
    when: { fact: "runtimeCycles", operator: "greaterThan", otherFact: "modules", times: 0.02 },
    reason: "Cut circles of imports: {runtimeCycles} at run time among {modules} modules.",
  },
  {
    name: "upward-imports",
    effect: "condition",
    // Where a tenth goes the other way, it can no longer be said which way is up.
    when: { fact: "upwardImports", operator: "greaterThan", otherFact: "edges", times: 0.1 },
    reason: "Turn imports that go against the layers: {upwardImports} of {edges}.",
  },
  {
    name: "risky-calls",
    effect: "condition",
    when: { fact: "risks", operator: "greaterThan", value: 0 },
    reason: "Have risky calls looked at: {risks}.",
  },
  {
    name: "duplicated-code",
    effect: "condition",
    when: { fact: "duplicatedLines", operator: "greaterThan", otherFact: "lines", times: 0.1 },
    reason: "Put together what stands twice: {duplicatedLines} of {lines} lines.",
  },
];
