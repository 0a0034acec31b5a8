import type { ReviewDecision, RunEventData } from "@viable/protocol";
import type { PlanNode } from "./plan.ts";
import { staticPath } from "./plan.ts";

/**
 * Whether a step came to its result by what this run itself did, or may have: what did not happen here has nothing to take back here. What a guard
 * finds is this run's own where an attempt is noted, since there was one before it.
 */
export const isOwnSuccess = ({ by, attempt }: RunEventData<"step.succeeded">): boolean =>
  by === undefined || by === "review" || (by === "guard" && attempt !== undefined);

/** What of a run there is to undo, and how far the undoing has come. */
export class UndoProgress {
  /** How many successes have something that undoes them. */
  undoable = 0;
  /** Static paths of steps that succeeded and declare no undo, or were left as they are by a person. */
  readonly kept = new Set<string>();
  /** The version below which nothing has been undone yet, while undoing. */
  from = 0;
  /** How often the undo of the success that is next was tried. */
  attempt = 0;
  /** Wall time in milliseconds before which it is not tried again. */
  retryAt: number | undefined;
  /** That it began was recorded, and no outcome. */
  hasBegun = false;
  /** How many successes were undone. */
  done = 0;

  /** A step has succeeded in this run itself. */
  succeeded({ node, functions, path }: PlanNode): void {
    if (functions.undo !== undefined || (node.kind === "compose" && node.undo)) this.undoable += 1;
    else if (node.kind === "step" || node.kind === "task") this.kept.add(path);
  }

  /** All before a version is to be undone. */
  begin(version: number): void {
    this.from = version;
  }

  undid(of: number): void {
    this.done += 1;
    this.#next(of);
  }

  failed({ attempt, retryAt }: RunEventData<"step.undo_failed">): void {
    this.attempt = attempt;
    this.retryAt = retryAt;
    this.hasBegun = false;
  }

  /** A person has said how the undo of a success goes on: taken as undone, or left undone, it is over. Which one was chosen stands in the log. */
  reviewed(step: string, decision: ReviewDecision, of: number): void {
    if (decision === "done") this.undid(of);
    else this.#next(decision === "retry" ? this.from : of);
    if (decision === "failed") this.kept.add(staticPath(step));
  }

  #next(from: number): void {
    this.from = from;
    this.attempt = 0;
    this.retryAt = undefined;
    this.hasBegun = false;
  }
}
