import type { JsonValue } from "@viable/kernel";
import { canonicalJson } from "@viable/kernel";
import type { z } from "zod";
import type { AnswerSettler, PlanDecision, PlanSituation, QuorumPlan } from "./plan.ts";
import { describeFailure, endWith, goOn, hasFailed, hasSucceeded, placesOf } from "./plan.ts";
import type { PlanAgent, PlanMemberSettings, PlanSettings } from "./plan-agent.ts";
import { invalidPlan, planAgent } from "./plan-agent.ts";

export interface QuorumSettings<Input extends z.ZodType> extends PlanSettings<Input> {
  /** Each takes the plan's input as it is, unless it has `args`. All begin at once. */
  readonly members: readonly PlanMemberSettings<z.output<Input>>[];
  /** How many must answer the same, by canonical JSON: more than half of the members, so that no two answers can. */
  readonly atLeast: number;
  /** What settles answers that contradict each other where none has enough behind it. Without it the plan fails as soon as none can. */
  readonly onConflict?: AnswerSettler;
}

/** Defines an agent whose work is done by several, of whom enough must come to the same. Its value is that. */
export const quorum = <Input extends z.ZodType>(settings: QuorumSettings<Input>): PlanAgent => {
  const { name, atLeast, onConflict } = settings;
  const { length } = settings.members;
  if (!(Number.isInteger(atLeast) && atLeast > length / 2 && atLeast <= length))
    throw invalidPlan(name, "atLeast", `must be a whole number of more than half of its ${length} members`);
  if (onConflict?.byLogOrder === true) {
    const reason = `cannot be "${onConflict.policy.kind}": that goes by the order of the log, which outcomes of delegated tasks do not tell`;
    throw invalidPlan(name, "onConflict", reason);
  }
  return planAgent(settings, (members): QuorumPlan => ({ kind: "quorum", members, atLeast, onConflict }), decideQuorum);
};

interface Answer {
  readonly place: number;
  readonly by: string;
  readonly answer: JsonValue;
}

/** Pure (W8). */
export function decideQuorum(plan: QuorumPlan, situation: PlanSituation): PlanDecision {
  const { members } = situation;
  const unbegun = placesOf(members, "unbegun");
  if (unbegun.length > 0) return goOn(unbegun);
  const answers: Answer[] = members.flatMap((state, place) =>
    hasSucceeded(state) ? [{ place, by: plan.members[place]?.name ?? "", answer: state.result }] : [],
  );
  const groups = [...Map.groupBy(answers, ({ answer }) => canonicalJson(answer)).values()];
  const largest = groups.reduce<readonly Answer[]>((most, each) => (each.length > most.length ? each : most), []);
  const [first] = largest;
  if (first !== undefined && largest.length >= plan.atLeast) {
    const reason = `${largest.length} of ${members.length} answered the same, and ${plan.atLeast} were wanted`;
    return endWith({ ok: true, value: first.answer, reason }, situation);
  }
  const under = placesOf(members, "begun").length;
  // A policy is given all answers there are, so that what it says does not hang on which came first.
  if (under > 0 && (plan.onConflict !== undefined || largest.length + under >= plan.atLeast)) return goOn();
  const missing = members.flatMap((state, index) => (hasFailed(state) ? [describeFailure(plan, members, index)] : []));
  const short = [
    `${plan.atLeast} equal answers were wanted, and no more than ${largest.length + under} of ${members.length} could be`,
    ...missing,
  ].join("; ");
  if (groups.length < 2 || plan.onConflict === undefined)
    return endWith({ ok: false, code: "plan.no_quorum", reason: short }, situation);
  const settlement = plan.onConflict.settle(answers);
  const { kind } = plan.onConflict.policy;
  if (!settlement.settled) {
    const reason = `${short}; ${kind} leaves it open: ${settlement.reason}`;
    return endWith({ ok: false, code: "plan.conflict_unsettled", reason }, situation);
  }
  const winner = answers[settlement.winner] as Answer;
  const losers = settlement.losers.map(({ claim, reason }) => ({ member: answers[claim]?.by ?? "", reason }));
  const reason = `${short}; settled by ${kind} for ${winner.by}: ${settlement.reason}`;
  return endWith(
    { ok: true, value: winner.answer, reason, conflict: { policy: kind, winner: winner.by, losers } },
    situation,
  );
}
