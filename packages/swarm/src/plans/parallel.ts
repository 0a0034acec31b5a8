import type { JsonValue } from "@viable/kernel";
import type { z } from "zod";
import type { ParallelPlan, PlanDecision, PlanSituation } from "./plan.ts";
import { describeFailure, endWith, goOn, hasFailed, hasSucceeded, placesOf } from "./plan.ts";
import type { PlanAgent, PlanMemberSettings, PlanSettings } from "./plan-agent.ts";
import { planAgent } from "./plan-agent.ts";

export interface ParallelSettings<Input extends z.ZodType> extends PlanSettings<Input> {
  /** Each takes the plan's input as it is, unless it has `args`. All begin at once. */
  readonly members: readonly PlanMemberSettings<z.output<Input>>[];
  /**
   * `all`: the first that fails ends it, and the others are cancelled. `some`: all are waited for, and those that succeeded are
   * enough, be it one; what is missing is said. Default `all`.
   */
  readonly require?: "all" | "some";
  /** Makes the value out of the results, which stand in the order of the members; undefined where one is missing. Default: their list, with null for what is missing. */
  readonly combine?: (results: readonly (JsonValue | undefined)[], input: z.output<Input>) => JsonValue;
}

/** Defines an agent whose work is done by several at the same time. */
export const parallel = <Input extends z.ZodType>(settings: ParallelSettings<Input>): PlanAgent =>
  planAgent(
    settings,
    (members): ParallelPlan => ({
      kind: "parallel",
      members,
      require: settings.require ?? "all",
      combine: settings.combine as ParallelPlan["combine"],
    }),
    decideParallel,
  );

/** Pure (W8). */
export function decideParallel(plan: ParallelPlan, situation: PlanSituation): PlanDecision {
  const { members } = situation;
  const unbegun = placesOf(members, "unbegun");
  const failed = members.flatMap((state, index) => (hasFailed(state) ? [index] : []));
  const [first] = failed;
  if (plan.require === "all" && first !== undefined) {
    const reason = `all were wanted, and ${describeFailure(plan, members, first)}`;
    return endWith({ ok: false, code: "plan.member_failed", reason }, situation);
  }
  if (unbegun.length > 0) return goOn(unbegun);
  if (placesOf(members, "begun").length > 0) return goOn();
  const missing = failed.map((index) => describeFailure(plan, members, index)).join(", ");
  if (failed.length === members.length) {
    const reason = `none of ${members.length} succeeded: ${missing}`;
    return endWith({ ok: false, code: "plan.none_succeeded", reason }, situation);
  }
  const results = members.map((state) => (hasSucceeded(state) ? state.result : undefined));
  const value =
    plan.combine === undefined
      ? results.map((result) => result ?? null)
      : plan.combine(results, situation.input as never);
  const succeeded = members.length - failed.length;
  const reason = `${succeeded} of ${members.length} succeeded${failed.length === 0 ? "" : `; missing: ${missing}`}`;
  return endWith({ ok: true, value, reason }, situation);
}
