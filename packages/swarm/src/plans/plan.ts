import type { JsonValue } from "@viable/kernel";
import type { DelegateOutcome } from "../delegation.ts";

/** One of those that do the work of a plan together: a capability, with what it is asked. */
export interface PlanMember {
  /** Tells it apart in outcomes; unique in its plan. */
  readonly name: string;
  readonly capability: string;
  /** The one service that may do it, whatever the others offer. */
  readonly service: string | undefined;
  /** How long it may take, in milliseconds, where the plan has more left. */
  readonly timeoutMs: number | undefined;
  /** Pure: after a crash it is called again, and must ask for the same. Undefined: the kind of plan says what it takes as it is. */
  readonly args: ((input: never, results: readonly JsonValue[]) => JsonValue) | undefined;
}

/** What becomes of the results: pure. Where a member has none, its place is undefined. */
type Combine = (results: readonly (JsonValue | undefined)[], input: never) => JsonValue;

export interface ParallelPlan {
  readonly kind: "parallel";
  readonly members: readonly PlanMember[];
  readonly require: "all" | "some";
  readonly combine: Combine | undefined;
}

export interface SequencePlan {
  readonly kind: "sequence";
  readonly members: readonly PlanMember[];
  readonly combine: Combine | undefined;
}

export interface FirstSuccessPlan {
  readonly kind: "first_success";
  readonly members: readonly PlanMember[];
  /** After how long the next is begun beside those before it, in milliseconds; undefined: when those have failed. */
  readonly hedgeAfterMs: number | undefined;
}

export interface QuorumPlan {
  readonly kind: "quorum";
  readonly members: readonly PlanMember[];
  readonly atLeast: number;
  readonly onConflict: AnswerSettler | undefined;
}

/** How several agents do one task, as data. */
export type PlanDefinition = ParallelPlan | SequencePlan | FirstSuccessPlan | QuorumPlan;

/** Settles contradicting answers by a declared policy. What `settleBy` of the registry makes is one. */
export interface AnswerSettler {
  readonly policy: { readonly kind: string };
  /** It goes by the order of the log, in which the outcomes of delegated tasks do not come: a quorum refuses it. */
  readonly byLogOrder: boolean;
  settle(claims: readonly { readonly by: string; readonly answer: JsonValue }[]):
    | {
        readonly settled: true;
        /** Places in the list of claims. */
        readonly winner: number;
        readonly losers: readonly { readonly claim: number; readonly reason: string }[];
        readonly reason: string;
      }
    | { readonly settled: false; readonly reason: string };
}

/** Where a member stands: not asked so far, asked, or what came of it. */
export type MemberState = "unbegun" | "begun" | DelegateOutcome;

/** All that a decision goes by. */
export interface PlanSituation {
  readonly input: unknown;
  /** In the order of the plan's members. */
  readonly members: readonly MemberState[];
  /** Milliseconds since a member was last begun; 0 where none was. */
  readonly sinceBegunMs: number;
}

/** What happens next. With an end, nothing is begun and all that is under way is cancelled. */
export interface PlanDecision {
  /** Places of the members to begin now. */
  readonly begin: readonly number[];
  /** Places of the members that are under way and not wanted any more. */
  readonly cancel: readonly number[];
  /** Decide again after so many milliseconds, although nothing has come of any member by then. */
  readonly lookAgainMs?: number;
  readonly end?: PlanEnd;
}

/** What a plan does next, from what has come of its members so far. Pure (W8): the same outcomes, the same decision. */
export type DecideNext<Plan extends PlanDefinition> = (plan: Plan, situation: PlanSituation) => PlanDecision;

export type PlanEnd =
  | { readonly ok: true; readonly value: JsonValue; readonly reason: string; readonly conflict?: SettledAnswers }
  | { readonly ok: false; readonly code: string; readonly reason: string };

/** How contradicting answers were settled. */
export interface SettledAnswers {
  readonly policy: string;
  readonly winner: string;
  readonly losers: readonly { readonly member: string; readonly reason: string }[];
}

/** Begins these, and goes on. */
export const goOn = (begin: readonly number[] = []): PlanDecision => ({ begin, cancel: [] });

/** Ends the plan, and with it what is under way. */
export const endWith = (end: PlanEnd, { members }: PlanSituation): PlanDecision => ({
  begin: [],
  cancel: placesOf(members, "begun"),
  end,
});

export const placesOf = (members: readonly MemberState[], state: "unbegun" | "begun"): readonly number[] =>
  members.flatMap((each, index) => (each === state ? [index] : []));

export const hasSucceeded = (state: MemberState | undefined): state is DelegateOutcome & { readonly ok: true } =>
  typeof state === "object" && state.ok;

export const hasFailed = (state: MemberState | undefined): state is DelegateOutcome & { readonly ok: false } =>
  typeof state === "object" && !state.ok;

/** What became of a member, in words: `lint failed (agent.invalid_result)`. */
export function describeFailure({ members }: PlanDefinition, states: readonly MemberState[], index: number): string {
  const state = states[index];
  const name = members[index]?.name ?? "";
  return hasFailed(state) ? `${name} ${inWords[state.status]} (${state.error.code.slice(0, 100)})` : name;
}

const inWords = {
  refused: "was refused",
  failed: "failed",
  cancelled: "was cancelled",
  timed_out: "timed out",
} as const;
