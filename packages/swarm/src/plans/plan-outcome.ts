import type { JsonObject, JsonValue } from "@viable/kernel";
import { findJsonProblem, ViableError } from "@viable/kernel";
import type { MemberState, PlanDefinition, PlanEnd, SettledAnswers } from "./plan.ts";

/** What of a plan's outcome is its value: as much as an agent may return, less room for what is told beside it. */
const maxValueChars = 4 * 1024 * 1024 - 131_072;
/** Of what was said of a member's failure; the rest stands in its execution. */
const maxMessageChars = 120;
const maxCodeChars = 60;
/** Evidence that an error carries, in characters of JSON: beyond it nothing of it would be kept. */
const maxEvidenceChars = 15_000;

/** What a plan returns: the value that its kind says, why it ended so, and what each member came to (X5). */
export interface PlanOutcome {
  readonly value: JsonValue;
  readonly reason: string;
  readonly members: readonly MemberOutcome[];
  /** Where answers contradicted each other. */
  readonly conflict?: SettledAnswers;
}

export interface MemberOutcome {
  readonly name: string;
  readonly capability: string;
  /** `left`: it was under way when the plan ended, and was cancelled then. `not_begun`: the plan, as it was last begun, did not ask for it. */
  readonly status: "completed" | "failed" | "cancelled" | "timed_out" | "refused" | "left" | "not_begun";
  /** Absent where it was refused or left: then it is among the executions that have the plan's as parent, if it is there at all. */
  readonly executionId?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** The result, or the error that is thrown, of a plan that has ended. */
export function toResult(plan: PlanDefinition, states: readonly MemberState[], end: PlanEnd): JsonValue {
  const members = plan.members.map((member, index) => toMemberOutcome(member, states[index] ?? "unbegun"));
  if (!end.ok) throw planFailed(plan, members, end.code, end.reason);
  const outcome: PlanOutcome = {
    value: end.value ?? null,
    reason: end.reason,
    members,
    ...(end.conflict !== undefined && { conflict: end.conflict }),
  };
  const result = outcome as unknown as JsonObject;
  const problem = findJsonProblem({ result }, "outcome");
  if (problem !== undefined) {
    const reason = `what its members came to makes a value that cannot be kept: ${problem.path}: ${problem.reason}`;
    throw planFailed(plan, members, "plan.invalid_value", reason);
  }
  const chars = JSON.stringify(outcome.value).length;
  if (chars > maxValueChars) {
    const reason = `its value has ${chars} characters of JSON, and ${maxValueChars} can be kept`;
    throw planFailed(plan, members, "plan.value_too_large", reason);
  }
  return result;
}

/** The error of a plan that fails for what it itself was given to call, such as the arguments of a member. */
export function mistakeOf(
  plan: PlanDefinition,
  states: readonly MemberState[],
  what: string,
  cause: unknown,
): ViableError {
  const members = plan.members.map((member, index) => toMemberOutcome(member, states[index] ?? "unbegun"));
  return new ViableError("plan.mistake", `The plan ended since ${what} threw.`, {
    next: "Functions of a plan are pure, and answer for every input that its schema lets in.",
    details: evidence(plan, members),
    cause,
  });
}

const planFailed = (
  plan: PlanDefinition,
  members: readonly MemberOutcome[],
  code: string,
  reason: string,
): ViableError =>
  new ViableError(code, `The plan (${plan.kind}) ended without a value: ${reason}.`, {
    next: "The members' own executions say more: their ids stand in the details.",
    details: evidence(plan, members),
  });

function evidence(plan: PlanDefinition, members: readonly MemberOutcome[]): JsonObject {
  const full = { kind: plan.kind, members } as unknown as JsonObject;
  if (JSON.stringify(full).length <= maxEvidenceChars) return full;
  // Codes alone, then: messages stand in the executions too.
  const brief = members.map(({ error, ...member }) => ({ ...member, ...(error && { error: { code: error.code } }) }));
  return { kind: plan.kind, members: brief } as unknown as JsonObject;
}

function toMemberOutcome({ name, capability }: PlanDefinition["members"][number], state: MemberState): MemberOutcome {
  if (state === "unbegun") return { name, capability, status: "not_begun" };
  if (state === "begun") return { name, capability, status: "left" };
  const { executionId } = state;
  const where = executionId === undefined ? {} : { executionId };
  if (state.ok) return { name, capability, status: "completed", ...where };
  const { code, message } = state.error;
  const error = { code: code.slice(0, maxCodeChars), message: message.slice(0, maxMessageChars) };
  return { name, capability, status: state.status, ...where, error };
}
