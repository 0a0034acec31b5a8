import type { JsonObject, JsonValue } from "viable";
import { z } from "zod";

/** How a fact is compared. Order is of numbers alone; a search is in a list, or of a text in a text. */
export const operators = [
  "equal",
  "notEqual",
  "lessThan",
  "lessThanInclusive",
  "greaterThan",
  "greaterThanInclusive",
  "in",
  "notIn",
  "contains",
  "doesNotContain",
  "exists",
] as const;
export type Operator = (typeof operators)[number];

/** One fact, compared with a value or with another fact. */
export type Comparison = {
  /** Where it stands among the facts, as `order.lines.0.price`. */
  readonly fact: string;
  readonly operator: Operator;
} & (
  | { readonly value: JsonValue }
  | {
      readonly otherFact: string;
      /** Multiplies the other fact: a share of it. */
      readonly times?: number;
    }
);

/** A condition as data: nothing of it is ever run as code. */
export type Condition =
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] }
  | { readonly not: Condition }
  | Comparison;

export type Facts = JsonObject;

/** What conditions are about. It came as JSON; a member that is undefined is not known. */
export const factsInput = z.record(z.string(), z.unknown()) as unknown as z.ZodType<Facts>;

/** People do not read deeper nests, and each level is a call. */
const maxDepth = 16;
/** Comparisons of one condition: a reader wants to know why it holds. */
const maxComparisons = 200;
const maxFactChars = 200;

interface Problem {
  readonly path: (string | number)[];
  readonly reason: string;
}

/** A condition, refused with the places and the reasons where it is none. */
export const conditionInput = z.unknown().transform((raw, refinement): Condition => {
  for (const { path, reason } of findProblems(raw)) refinement.addIssue({ code: "custom", path, message: reason });
  // Where a problem was added the parsing fails, so nobody sees a condition that is none.
  return raw as Condition;
});

function* findProblems(raw: unknown): Generator<Problem> {
  let comparisons = 0;
  const waiting: { value: unknown; path: Problem["path"]; depth: number }[] = [{ value: raw, path: [], depth: 1 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, path, depth } = next;
    const kind = isMap(value) ? kinds.find((each) => Object.hasOwn(value, each)) : undefined;
    if (depth > maxDepth) yield { path, reason: `is nested deeper than ${maxDepth} levels` };
    else if (!isMap(value)) yield { path, reason: "must be an object: {all}, {any}, {not} or {fact, operator, value}" };
    else if (kind === undefined) {
      comparisons++;
      yield* findComparisonProblems(value, path);
    } else {
      yield* findStrangers(value, [kind], path);
      const inner = value[kind];
      if (kind === "not") waiting.push({ value: inner, path: [...path, kind], depth: depth + 1 });
      else if (!Array.isArray(inner) || inner.length === 0) {
        yield { path: [...path, kind], reason: "must be a list of at least one condition" };
      } else {
        // What waits holds a comparison each, at least: past the bound nothing more is looked at, or told.
        const least = comparisons + waiting.length + inner.length;
        if (least > maxComparisons) {
          yield { path: [], reason: `has ${least} comparisons or more; ${maxComparisons} are evaluated at most` };
          return;
        }
        waiting.push(...inner.map((each, index) => ({ value: each, path: [...path, kind, index], depth: depth + 1 })));
      }
    }
  }
}

const kinds = ["all", "any", "not"] as const;

function* findComparisonProblems(value: Raw, path: Problem["path"]): Generator<Problem> {
  const { fact, otherFact, times } = value;
  const operator = operators.find((each) => each === value.operator);
  if (!isFactName(fact)) yield { path: [...path, "fact"], reason: nameRule };
  if (operator === undefined) yield { path: [...path, "operator"], reason: `must be one of ${operators.join(", ")}` };
  if (Object.hasOwn(value, "value")) {
    yield* findStrangers(value, ["fact", "operator", "value"], path);
    const rule = operator && valueRule(operator, value.value);
    if (rule !== undefined) yield { path: [...path, "value"], reason: `${rule} for ${operator}` };
    return;
  }
  yield* findStrangers(value, ["fact", "operator", "otherFact", "times"], path);
  if (otherFact === undefined || operator === "exists") {
    yield { path: [...path, "value"], reason: "is missing; compare with a value, or but for exists with an otherFact" };
  } else if (!isFactName(otherFact)) yield { path: [...path, "otherFact"], reason: nameRule };
  if (times !== undefined && !Number.isFinite(times)) yield { path: [...path, "times"], reason: "must be a number" };
}

/** What a value must be and is not. */
function valueRule(operator: Operator, value: unknown): string | undefined {
  if (isOrder(operator) && typeof value !== "number") return "must be a number";
  if ((operator === "in" || operator === "notIn") && !Array.isArray(value)) return "must be a list";
  return operator === "exists" && typeof value !== "boolean" ? "must be true or false" : undefined;
}

function* findStrangers(value: Raw, known: readonly string[], path: Problem["path"]): Generator<Problem> {
  for (const member of Object.keys(value)) {
    if (!known.includes(member)) yield { path: [...path, member], reason: `is not known beside ${known.join(", ")}` };
  }
}

/** Whether an operator is of numbers alone. */
export const isOrder = (operator: Operator): boolean => /^(less|greater)Than/.test(operator);

type Raw = { readonly [member: string]: unknown };

const isMap = (value: unknown): value is Raw => typeof value === "object" && value !== null && !Array.isArray(value);

const nameRule = `must name a fact in 1 to ${maxFactChars} characters, its parts joined by dots`;

const isFactName = (name: unknown): boolean =>
  typeof name === "string" && name.length <= maxFactChars && /^[^.]+(\.[^.]+)*$/.test(name);
