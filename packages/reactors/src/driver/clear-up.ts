import { ViableError } from "@viable/kernel";
import type { OpenNode } from "../open-node.ts";
import type { DrivenRun } from "./driven-run.ts";
import { undoKey } from "./driven-run.ts";

/**
 * A run that goes no further begins nothing; but what may have been done, and has no outcome, must not stay as it is: only what succeeds can
 * be undone. Why something is done about a step nevertheless:
 *
 * `failed`     it failed for good, and what puts that right is called
 * `accepted`   a person said what it came to
 * `begun`      that it began is recorded, and no outcome: it is found out
 * `wanted`     a person wants it done again
 * `left`       whoever had the run before may have done it: done again, which comes to the same, it has an outcome that can be undone
 * `composed`   the run that it composes goes on: that is told to end, and waited for
 */
type ReasonToClear = "failed" | "accepted" | "begun" | "wanted" | "left" | "composed";
/** What of a run says what somebody else may have begun. */
type LeftRun = Pick<DrivenRun, "leftBehind">;

/** Why something is to be done about a step of a run that goes no further; undefined where nothing is. */
export function reasonToClear(run: LeftRun, node: OpenNode): ReasonToClear | undefined {
  if (node.todo === "compensate") return "failed";
  if (node.todo === "accept") return "accepted";
  if (node.begun !== undefined) return "begun";
  if (node.isWanted) return "wanted";
  if (wasLeft(run, node)) return "left";
  return node.wait?.for === "run" ? "composed" : undefined;
}

/** Whether a step is begun though its run goes no further. */
export function isToClear(run: LeftRun, node: OpenNode): boolean {
  const reason = reasonToClear(run, node);
  return reason !== undefined && reason !== "composed";
}

/** Whether it was to be tried again: that is over, which makes it one that failed for good. */
export const isToFail = ({ retryAt, plan }: OpenNode): boolean =>
  retryAt !== undefined && plan.functions.compensate !== undefined;

/** Whether a step may have been called in this run before: then what is there of it may be this run's own. */
export const mayHaveRun = (run: LeftRun, node: OpenNode): boolean => node.hasRun || isLeft(run, node);

/** Whether somebody else may have called it, and the log does not say so: what must not be done twice tells when it begins. */
const isLeft = ({ leftBehind }: LeftRun, { path, mayHaveBegun, plan: { node } }: OpenNode): boolean =>
  leftBehind.has(path) && mayHaveBegun && node.kind === "step" && node.idempotent;

/** Whether somebody else may have done it, and it would stay. */
function wasLeft(run: LeftRun, node: OpenNode): boolean {
  const { undo, compensate } = node.plan.functions;
  return node.todo === "run" && isLeft(run, node) && (undo !== undefined || compensate !== undefined);
}

/** Whether it goes no further by somebody's word, or since its time is up: not because a step failed. */
export const isStopped = ({ progress }: DrivenRun): boolean =>
  progress.phase === "failing" && progress.failure?.cause.kind !== "step_failed";

/** The run was stopped: calls are told, and what they make of it is waited for. */
export function tellCalls(run: DrivenRun): void {
  const reason = new ViableError("reactor.run_cancelled", `The run ${run.runId} goes no further.`);
  for (const [path, each] of run.active) {
    if (each.kind !== "calling") continue;
    const node = run.progress.open.get(path);
    // What puts things right is let to, and so is what may have happened before.
    const clears = path === undoKey || node?.todo === "compensate" || (node !== undefined && wasLeft(run, node));
    if (!clears) each.tell(reason);
  }
}
