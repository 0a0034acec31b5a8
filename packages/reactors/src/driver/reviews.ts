import { freezeJson } from "@viable/kernel";
import type { ReviewDuring, RunEventData } from "@viable/protocol";
import type { DrivenRun } from "./driven-run.ts";
import { record } from "./record.ts";

/**
 * Only a person can say how to go on. One thing is asked at a time, since the answer is to what was asked last: what else there is to ask is
 * held back until then. A process that takes the run over meanwhile comes to the same question.
 */
export function needsReview(
  run: DrivenRun,
  step: string,
  during: ReviewDuring,
  reason: string,
  more: Pick<RunEventData<"run.needs_review">, "error" | "of"> = {},
): void {
  const data = freezeJson({ step, during, reason, ...more });
  if (run.progress.review === undefined) {
    record(run, { type: "run.needs_review", data });
    return;
  }
  run.heldReviews ??= new Map();
  run.heldReviews.set(step, data);
}

/** Asks what was held back, where nothing is asked any more. */
export function askHeldReview(run: DrivenRun): void {
  for (const [step, data] of run.heldReviews ?? []) {
    if (run.progress.review !== undefined) return;
    run.heldReviews?.delete(step);
    if (run.progress.open.has(step)) record(run, { type: "run.needs_review", data });
  }
}
