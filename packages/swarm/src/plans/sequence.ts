import type { JsonValue } from "@viable/kernel";
import type { z } from "zod";
import type { PlanDecision, PlanSituation, SequencePlan } from "./plan.ts";
import { describeFailure, endWith, goOn, hasFailed, hasSucceeded, placesOf } from "./plan.ts";
import type { PlanAgent, PlanMemberSettings, PlanSettings } from "./plan-agent.ts";
import { planAgent } from "./plan-agent.ts";

export interface SequenceMemberSettings<Input> extends Omit<PlanMemberSettings<Input>, "args"> {
  /** What it is asked, out of the plan's input and the results so far. Pure. Default: the first takes the input, each other what the one before it returned. */
  readonly args?: (input: Input, results: readonly JsonValue[]) => JsonValue;
}

export interface SequenceSettings<Input extends z.ZodType> extends PlanSettings<Input> {
  /** One begins when the one before has succeeded; the first that fails ends the plan. */
  readonly members: readonly SequenceMemberSettings<z.output<Input>>[];
  /** Makes the value out of the results. Default: the last one's. */
  readonly combine?: (results: readonly JsonValue[], input: z.output<Input>) => JsonValue;
}

/** Defines an agent whose work is done by several, one after the other. */
export const sequence = <Input extends z.ZodType>(settings: SequenceSettings<Input>): PlanAgent =>
  planAgent(
    settings,
    (members): SequencePlan => ({ kind: "sequence", members, combine: settings.combine as SequencePlan["combine"] }),
    decideSequence,
  );

/** Pure (W8). */
export function decideSequence(plan: SequencePlan, situation: PlanSituation): PlanDecision {
  const { members } = situation;
  const failed = members.findIndex(hasFailed);
  if (failed !== -1) {
    const left = members.length - failed - 1;
    const rest = left === 0 ? "" : `, and ${left} after it did not begin`;
    const reason = `${describeFailure(plan, members, failed)}${rest}`;
    return endWith({ ok: false, code: "plan.member_failed", reason }, situation);
  }
  if (placesOf(members, "begun").length > 0) return goOn();
  const [next] = placesOf(members, "unbegun");
  if (next !== undefined) return goOn([next]);
  const results = members.flatMap((state) => (hasSucceeded(state) ? [state.result] : []));
  const value = plan.combine === undefined ? (results.at(-1) ?? null) : plan.combine(results, situation.input as never);
  return endWith({ ok: true, value, reason: `all ${members.length} succeeded, one after the other` }, situation);
}
