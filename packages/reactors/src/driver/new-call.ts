import { invariant, ViableError } from "@viable/kernel";
import type { StepFunction } from "../definition.ts";
import type { PlanNode } from "../plan.ts";
import type { DrivenRun } from "./driven-run.ts";
import { mayGoOn } from "./driven-run.ts";
import { StepCall } from "./step-call.ts";

/** A call of one of a step's functions, to be told of the run and to be ended with it. */
export function newCall(run: DrivenRun, step: string, attempt: number): StepCall {
  const { ctx, runId, progress } = run;
  const { plan, claim } = progress;
  const about = { runId, reactor: plan.definition.name, step, attempt };
  return new StepCall(ctx, { ...about, fencingToken: claim?.attempt ?? 1 }, () => {
    if (mayGoOn(run)) return;
    run.lose("its lease ran out");
    throw new ViableError("reactor.lost", `The run ${runId} is carried on elsewhere.`, { retryable: true });
  });
}

/** The function that plays a role; it is there, since the plan would not have been made without it. */
export function functionOf(plan: PlanNode, role: "run" | "compensate" | "undo"): StepFunction {
  const found = plan.functions[role];
  invariant(found !== undefined, "W8", `${plan.path} has no function to ${role}`);
  return found;
}
