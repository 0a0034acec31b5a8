import type { ErrorOnTheWire } from "@viable/kernel";
import { toRecordableError, ViableError } from "@viable/kernel";
import type { ReviewDuring, RunEvent, RunEventData } from "@viable/protocol";
import { invalidResult } from "../errors.ts";
import { keepJson } from "../keep-json.ts";
import type { OpenNode } from "../progress.ts";
import { maxResultChars } from "../run-bounds.ts";
import type { DrivenRun } from "./driven-run.ts";
import { nowOf } from "./driven-run.ts";
import { record } from "./write-events.ts";

/** What else is recorded of a success. */
interface Success extends Pick<RunEventData<"step.succeeded">, "by" | "ms" | "attempt" | "consumed" | "runId"> {
  /** What it was called with, where it can be undone. */
  readonly args?: unknown;
}

/** A step came to its result. Throws `reactor.invalid_result` where that, or its arguments, cannot be kept. */
export function succeed(run: DrivenRun, { path }: OpenNode, result: unknown, { args, ...more }: Success = {}): void {
  const kept = keepJson(result, maxResultChars);
  if (typeof kept === "string") throw invalidResult(path, kept);
  // Both stand in one event.
  const keptArgs = args === undefined ? undefined : keepJson(args, maxResultChars - kept.chars);
  if (typeof keptArgs === "string") throw invalidResult(path, `its arguments cannot be kept for its undo: ${keptArgs}`);
  const data = {
    step: path,
    ...(kept.value !== null && { result: kept.value }),
    ...(keptArgs !== undefined && { args: keptArgs.value }),
    ...more,
  };
  record(run, { type: "step.succeeded", data } as RunEvent, kept.chars + (keptArgs?.chars ?? 0));
}

/** A step failed for good, in what was about to be its next attempt. */
export function fail(run: DrivenRun, node: OpenNode, error: unknown): void {
  failAttempt(run, node.path, node.attempt + 1, toRecordableError(error), undefined);
}

/** An attempt failed; the next one follows after `waitMs`, where there is such a wait and the run goes on. */
export function failAttempt(
  run: DrivenRun,
  step: string,
  attempt: number,
  error: ErrorOnTheWire,
  waitMs: number | undefined,
): void {
  const failed = { step, attempt, error };
  const again = waitMs === undefined ? failed : { ...failed, retryAt: Math.ceil(nowOf(run) + waitMs) };
  if (run.progress.phase === "going") record(run, { type: "step.failed", data: again });
  else record(run, { type: "step.failed", data: failed }, undefined, { ifGoing: { type: "step.failed", data: again } });
}

/** Only a person can say how to go on. */
export function needsReview(
  run: DrivenRun,
  step: string,
  during: ReviewDuring,
  reason: string,
  more: Pick<RunEventData<"run.needs_review">, "error" | "of"> = {},
): void {
  record(run, { type: "run.needs_review", data: { step, during, reason, ...more } });
}

/** What a function answered that may answer a result, or nothing. Throws where it is neither. */
export function resultIn(answer: unknown, step: string): { readonly result: unknown } | undefined {
  if (answer === undefined || answer === null) return undefined;
  if (typeof answer === "object" && Object.hasOwn(answer, "result") && "result" in answer) return answer;
  throw invalidResult(step, "an answer is { result } or nothing");
}

/** Whether we threw it. Even asking may throw: whose error it is decides. */
export function isOurs(thrown: unknown): thrown is ViableError {
  try {
    return thrown instanceof ViableError;
  } catch {
    return false;
  }
}

/** Its time was up: nobody knows what it came to. */
export const isTimeout = (error: ErrorOnTheWire): boolean => error.code === "reactor.step_timed_out";
