import type { JsonObject, JsonValue } from "viable";
import type { Comparison, Condition, Facts, Operator } from "./condition.ts";
import { isOrder } from "./condition.ts";

/** What came of a condition: it holds, it does not, or it cannot be said. */
export interface Evaluation {
  readonly holds: boolean | undefined;
  /** The first comparisons that decided, in words; where nothing is decided, what is lacking for it. */
  readonly because: readonly string[];
}

/** How many values may still be compared. Shared by all conditions of one task; what goes beyond it stays open. */
export interface Budget {
  left: number;
}

/** A million comparisons take some ten milliseconds, which other tasks can wait; facts and rules of ordinary size take hundreds. */
const maxCompared = 1_000_000;
/** Comparisons told of one condition: the first say enough. */
const maxBecause = 10;
/** A value is shown this far, in characters. */
const maxShownChars = 60;
/** Longer lists are shown by their size. */
const maxShownEntries = 10;

export const createBudget = (): Budget => ({ left: maxCompared });

/**
 * Evaluates a condition with three answers (Kleene's logic): what is lacking decides nothing by itself, so `any` still holds by
 * another member, `all` still fails by another, and `not` of what is lacking is lacking. json-rules-engine knows two: it either
 * gives up all rules for the first fact that is missing or takes it for a value, so that "is not 3" holds of nothing at all.
 */
export function evaluateCondition(condition: Condition, facts: Facts, budget: Budget): Evaluation {
  if ("all" in condition) return combine(condition.all, facts, budget, false);
  if ("any" in condition) return combine(condition.any, facts, budget, true);
  if ("not" in condition) {
    const { holds, because } = evaluateCondition(condition.not, facts, budget);
    return { holds: holds === undefined ? undefined : !holds, because };
  }
  return compare(condition, facts, budget);
}

/** One member that is `decisive` decides; otherwise one that is lacking leaves it open. */
function combine(members: readonly Condition[], facts: Facts, budget: Budget, decisive: boolean): Evaluation {
  const evaluations = members.map((each) => evaluateCondition(each, facts, budget));
  const deciding = evaluations.filter((each) => each.holds === decisive);
  if (deciding.length > 0) return { holds: decisive, because: reasonsOf(deciding) };
  const open = evaluations.filter((each) => each.holds === undefined);
  if (open.length > 0) return { holds: undefined, because: reasonsOf(open) };
  return { holds: !decisive, because: reasonsOf(evaluations) };
}

const reasonsOf = (evaluations: readonly Evaluation[]): string[] =>
  evaluations.flatMap((each) => each.because).slice(0, maxBecause);

function compare(comparison: Comparison, facts: Facts, budget: Budget): Evaluation {
  const { fact, operator } = comparison;
  const left = readFact(facts, fact);
  if (operator === "exists") {
    const exists = left !== undefined;
    const wanted = "value" in comparison && comparison.value === true;
    return { holds: exists === wanted, because: [`${fact} is ${exists ? show(left) : "not there"}`] };
  }
  const right =
    "otherFact" in comparison
      ? readOther(facts, comparison)
      : { value: comparison.value, name: show(comparison.value) };
  const lacking = [
    ...(left === undefined ? [`${fact} is not there`] : []),
    ...("lacking" in right ? [right.lacking] : []),
  ];
  if (left === undefined || "lacking" in right) return { holds: undefined, because: lacking };
  const holds = apply(operator, left, right.value, budget);
  if (budget.left < 0) return { holds: undefined, because: [`${fact} was not compared: ${maxCompared} values were`] };
  if (typeof holds === "string") return { holds: undefined, because: [`${fact} ${holds}`] };
  return { holds, because: [`${fact} is ${show(left)} (${operator} ${right.name}: ${holds ? "yes" : "no"})`] };
}

function readOther(
  facts: Facts,
  { otherFact, times }: Extract<Comparison, { otherFact: string }>,
): { readonly value: JsonValue; readonly name: string } | { readonly lacking: string } {
  const value = readFact(facts, otherFact);
  if (value === undefined) return { lacking: `${otherFact} is not there` };
  if (times === undefined) return { value, name: `${otherFact}, ${show(value)}` };
  if (typeof value !== "number") return { lacking: `${otherFact} is ${show(value)}, no number to multiply` };
  return { value: value * times, name: `${times} of ${otherFact}, ${value * times}` };
}

/** What the facts hold under a name; members that objects and lists have by birth are none of theirs. */
export function readFact(facts: Facts, name: string): JsonValue | undefined {
  let value: JsonValue | undefined = facts;
  for (const part of name.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    if (Array.isArray(value) && !/^\d+$/.test(part)) return undefined;
    value = (value as Facts)[part];
  }
  return value;
}

/** Whether it holds, or in words why that cannot be said of these two. */
function apply(operator: Operator, left: JsonValue, right: JsonValue, budget: Budget): boolean | string {
  if (isOrder(operator)) return order(operator, left, right);
  switch (operator) {
    case "equal":
      return areEqual(left, right, budget);
    case "notEqual":
      return !areEqual(left, right, budget);
    case "in":
      return search(right, left, budget);
    case "notIn":
      return negate(search(right, left, budget));
    case "contains":
      return search(left, right, budget);
    default:
      return negate(search(left, right, budget));
  }
}

const negate = (found: boolean | string): boolean | string => (typeof found === "string" ? found : !found);

function order(operator: Operator, left: JsonValue, right: JsonValue): boolean | string {
  if (typeof left !== "number" || typeof right !== "number") {
    return `is ${show(left)}, which cannot be compared with ${show(right)}: ${operator} is of numbers`;
  }
  if (operator === "lessThan") return left < right;
  if (operator === "lessThanInclusive") return left <= right;
  return operator === "greaterThan" ? left > right : left >= right;
}

function search(within: JsonValue, wanted: JsonValue, budget: Budget): boolean | string {
  if (typeof within === "string" && typeof wanted === "string") {
    budget.left -= costOf(within);
    return budget.left >= 0 && within.includes(wanted);
  }
  if (!Array.isArray(within)) return `cannot be searched for: ${show(within)} is no list`;
  return within.some((each: JsonValue) => areEqual(each, wanted, budget));
}

/** Whether two values are the same, as far as the budget goes; past it the answer means nothing. */
function areEqual(a: JsonValue, b: JsonValue, budget: Budget): boolean {
  budget.left -= typeof a === "string" ? costOf(a) : 1;
  if (budget.left < 0) return false;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((each: JsonValue, index) => areEqual(each, b[index] as JsonValue, budget));
  }
  if (!isMap(a) || !isMap(b)) return a === b;
  if (sizeOf(a) !== sizeOf(b)) return false;
  // Their names are listed before the first is looked at.
  budget.left -= sizeOf(a);
  if (budget.left < 0) return false;
  return Object.keys(a).every(
    (key) => Object.hasOwn(b, key) && areEqual(a[key] as JsonValue, b[key] as JsonValue, budget),
  );
}

const sizes = new WeakMap<JsonObject, number>();

/** How many members an object has. Counting goes through all of them, and a thousand comparisons may ask about the same one. */
function sizeOf(map: JsonObject): number {
  const size = sizes.get(map) ?? Object.keys(map).length;
  sizes.set(map, size);
  return size;
}

/** Texts are compared some hundred characters at a time. */
const costOf = (text: string): number => 1 + Math.floor(text.length / 100);

/** A value in words that fit into a line. */
export function show(value: JsonValue): string {
  if (Array.isArray(value) && value.length > maxShownEntries) return `a list of ${value.length}`;
  if (isMap(value)) return `an object of ${sizeOf(value)} members`;
  const text = typeof value === "string" ? JSON.stringify(value.slice(0, maxShownChars)) : showList(value);
  return text.length > maxShownChars ? `${text.slice(0, maxShownChars)}…` : text;
}

const showList = (value: JsonValue): string =>
  Array.isArray(value)
    ? `[${value.map((each: JsonValue) => (Array.isArray(each) ? "[…]" : show(each))).join(",")}]`
    : String(value);

const isMap = (value: JsonValue): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
