import type { Facts } from "./condition.ts";
import type { DecisionRule } from "./decision-rules.ts";
import { createBudget, evaluateCondition, readFact, show } from "./evaluate-condition.ts";

export type Decision = {
  readonly verdict: "go" | "no-go" | "go with conditions";
  readonly reasons: string[];
  /** Every rule that fired, with the comparisons that made it. */
  readonly fired: { name: string; effect: DecisionRule["effect"]; reason: string; because: string[] }[];
  readonly notFired: string[];
  readonly notJudged: { name: string; lacking: string[] }[];
};

/**
 * Decides by rules. One rule for no decides; a rule for a condition, or one that cannot be judged, makes it a go with conditions,
 * since nobody knows what it would have said. Where none can be judged the answer is no: nothing speaks for a go.
 */
export function decide(rules: readonly DecisionRule[], facts: Facts): Decision {
  const missing = missingSections(facts);
  const budget = createBudget();
  const fired: Decision["fired"] = [];
  const notFired: string[] = [];
  const notJudged: Decision["notJudged"] = [];
  for (const { name, effect, when, reason, needs = [] } of rules) {
    const absent = needs.filter((section) => missing.includes(section));
    const { holds, because } = evaluateCondition(when, facts, budget);
    // What was found is found; that nothing was says something only where somebody looked.
    if (holds !== true && absent.length > 0) {
      notJudged.push({ name, lacking: absent.map((section) => `the section ${section} is missing`) });
    } else if (holds === undefined) notJudged.push({ name, lacking: [...because] });
    else if (holds) fired.push({ name, effect, reason: fillIn(reason, facts), because: [...because] });
    else notFired.push(name);
  }
  const noGo = fired.filter((each) => each.effect === "no-go");
  const conditions = fired.filter((each) => each.effect === "condition");
  const isBlind = notJudged.length === rules.length;
  const reasons = [
    ...(isBlind ? ["Nothing could be judged."] : []),
    ...[...noGo, ...conditions].map((each) => `${each.name}: ${each.reason}`),
    ...notJudged.map((each) => `not judged: ${each.name} (${each.lacking.join("; ")})`),
    ...(missing.length > 0 ? [`missing from the report: ${missing.join(", ")}`] : []),
    ...(fired.length === 0 && notJudged.length === 0 ? [`No rule speaks against it: ${notFired.join(", ")}.`] : []),
  ];
  const isNo = noGo.length > 0 || isBlind;
  const verdict = isNo ? "no-go" : conditions.length > 0 || notJudged.length > 0 ? "go with conditions" : "go";
  return { verdict, reasons, fired, notFired, notJudged };
}

/** Sections that the facts say did not come about, each once. */
function missingSections({ missing }: Facts): string[] {
  if (!Array.isArray(missing)) return [];
  return [...new Set(missing.filter((each) => typeof each === "string"))];
}

const fillIn = (reason: string, facts: Facts): string =>
  reason.replaceAll(/\{([^{}]+)\}/g, (_, name: string) => {
    const value = readFact(facts, name);
    return value === undefined ? "unknown" : show(value);
  });
