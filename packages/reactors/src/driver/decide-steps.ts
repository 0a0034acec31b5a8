import type { SwitchNode } from "../definition.ts";
import { noBranch, repeatExhausted } from "../errors.ts";
import type { OpenNode } from "../open-node.ts";
import type { PlanNode } from "../plan.ts";
import { truthOf } from "./condition.ts";
import type { DrivenRun } from "./driven-run.ts";
import { fail, keepForUndo, succeed } from "./outcomes.ts";
import { record } from "./record.ts";

/** Chooses a switch's branch: the first one whose condition holds, of recorded values; what was chosen is recorded before it begins. */
export function chooseBranch(run: DrivenRun, node: OpenNode): void {
  const { node: said, functions } = node.plan;
  if (said.kind !== "switch") return;
  try {
    const args = run.progress.argsOf(node);
    const branch = branchOf(node.path, said, functions, args);
    if (branch === undefined) throw noBranch(node.path);
    record(run, { type: "step.branched", data: { step: node.path, branch } });
  } catch (error) {
    fail(run, node, error);
  }
}

/**
 * The name of the branch of a switch that is taken: the first whose condition holds; undefined where none does. Throws `reactor.invalid_condition`,
 * and what a condition throws.
 */
export const branchOf = (
  step: string,
  { branches, otherwise }: SwitchNode,
  functions: PlanNode["functions"],
  args: unknown,
): string | undefined =>
  branches.find(({ name }) => truthOf(functions[`when:${name}`]?.(args), step, "when"))?.name ??
  (otherwise === undefined ? undefined : "otherwise");

/** Ends a repeat where its condition holds of what its last turn came to, or begins another turn. */
export function decideTurn(run: DrivenRun, node: OpenNode): void {
  const { node: said, functions } = node.plan;
  if (said.kind !== "repeat") return;
  try {
    if (truthOf(functions.until?.(node.last), node.path, "until")) succeed(run, node, node.last);
    else if (node.turn + 1 >= said.maxTurns) throw repeatExhausted(node.path, said.maxTurns);
    else record(run, { type: "step.repeated", data: { step: node.path, turn: node.turn + 1 } });
  } catch (error) {
    fail(run, node, error);
  }
}

/** A person said what a step came to. */
export function acceptResult(run: DrivenRun, node: OpenNode): void {
  try {
    succeed(run, node, node.accepted, { by: "review", args: keepForUndo(node, run.progress.argsOf(node)) });
  } catch (error) {
    fail(run, node, error);
  }
}
