import type { z } from "zod";
import type { FirstSuccessPlan, PlanDecision, PlanSituation } from "./plan.ts";
import { describeFailure, endWith, goOn, hasSucceeded, placesOf } from "./plan.ts";
import type { PlanAgent, PlanMemberSettings, PlanSettings } from "./plan-agent.ts";
import { invalidPlan, planAgent } from "./plan-agent.ts";

export interface FirstSuccessSettings<Input extends z.ZodType> extends PlanSettings<Input> {
  /** In the order they are tried. Each takes the plan's input as it is, unless it has `args`. */
  readonly members: readonly PlanMemberSettings<z.output<Input>>[];
  /**
   * After how many milliseconds the next is begun although those before it have not failed; 0 begins all at once. Without it one
   * begins when the one before it has failed. What is not needed any more is cancelled.
   */
  readonly hedgeAfterMs?: number;
}

/** Defines an agent whose work is done by the first of several that succeeds. Its value is that one's result. */
export const firstSuccess = <Input extends z.ZodType>(settings: FirstSuccessSettings<Input>): PlanAgent => {
  const { name, hedgeAfterMs } = settings;
  if (hedgeAfterMs !== undefined && !(hedgeAfterMs >= 0 && Number.isFinite(hedgeAfterMs)))
    throw invalidPlan(name, "hedgeAfterMs", "must be a number of milliseconds from 0");
  return planAgent(
    settings,
    (members): FirstSuccessPlan => ({ kind: "first_success", members, hedgeAfterMs }),
    decideFirstSuccess,
  );
};

/** Pure (W8). */
export function decideFirstSuccess(plan: FirstSuccessPlan, situation: PlanSituation): PlanDecision {
  const { members, sinceBegunMs } = situation;
  const { hedgeAfterMs } = plan;
  const winner = members.findIndex(hasSucceeded);
  const won = members[winner];
  if (hasSucceeded(won)) {
    const reason = `${plan.members[winner]?.name} succeeded`;
    return endWith({ ok: true, value: won.result, reason }, situation);
  }
  const unbegun = placesOf(members, "unbegun");
  const [next] = unbegun;
  if (next === undefined) {
    if (placesOf(members, "begun").length > 0) return goOn();
    const all = members.map((_, index) => describeFailure(plan, members, index)).join(", ");
    return endWith({ ok: false, code: "plan.none_succeeded", reason: `none succeeded: ${all}` }, situation);
  }
  if (hedgeAfterMs === 0) return goOn(unbegun);
  // The one before it has failed, or there is none.
  if (members[next - 1] !== "begun") return goOn([next]);
  if (hedgeAfterMs === undefined) return goOn();
  if (sinceBegunMs >= hedgeAfterMs) return goOn([next]);
  return { ...goOn(), lookAgainMs: hedgeAfterMs - sinceBegunMs };
}
