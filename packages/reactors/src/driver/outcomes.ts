import type { ErrorOnTheWire, Kept } from "@viable/kernel";
import { freezeJson, keepJson, toRecordableError, ViableError } from "@viable/kernel";
import type { RunEventData } from "@viable/protocol";
import { invalidAnswer, invalidResult, invalidStepArgument } from "../errors.ts";
import type { OpenNode } from "../open-node.ts";
import { maxResultChars, maxUndoArgsChars } from "../run-bounds.ts";
import type { DrivenRun } from "./driven-run.ts";
import { nowOf } from "./driven-run.ts";
import { record } from "./record.ts";

/** What else is recorded of a success. */
interface Success extends Pick<RunEventData<"step.succeeded">, "by" | "ms" | "attempt" | "consumed" | "runId"> {
  /** What it was called with, where it can be undone. */
  readonly args?: Kept | undefined;
}

/**
 * What a step is called with, as its undo will be handed it; undefined where it has none. Asked before it is called: what cannot be kept then
 * could not be undone. Throws `reactor.invalid_argument`.
 */
export function keepForUndo({ path, plan }: OpenNode, args: unknown): Kept | undefined {
  if (plan.functions.undo === undefined) return undefined;
  const kept = keepJson(args, maxUndoArgsChars, "args");
  if (typeof kept === "string") throw invalidStepArgument(path, `its undo could not be handed its arguments: ${kept}`);
  return kept;
}

/** A step came to its result. Throws `reactor.invalid_result` where that cannot be kept. */
export function succeed(run: DrivenRun, { path }: OpenNode, result: unknown, { args, ...more }: Success = {}): void {
  const kept = keepJson(result, maxResultChars);
  if (typeof kept === "string") throw invalidResult(path, kept);
  const data = {
    step: path,
    ...(kept.value !== null && { result: kept.value }),
    ...(args !== undefined && { args: args.value }),
    ...more,
  };
  record(run, { type: "step.succeeded", data }, kept.chars + (args?.chars ?? 0) + path.length);
}

/** A step failed for good, in what was about to be its next attempt. */
export function fail(run: DrivenRun, node: OpenNode, error: unknown): void {
  failAttempt(run, node.path, node.attempt + 1, keepThrown(run, node.path, error), undefined);
}

/** An attempt failed, after `ms` where that is known; the next one follows after `waitMs`, where there is such a wait and the run goes on. */
export function failAttempt(
  run: DrivenRun,
  step: string,
  attempt: number,
  error: ErrorOnTheWire,
  waitMs: number | undefined,
  ms?: number,
): void {
  // Its details are handed to the step's compensation, and tell later why the run goes no further.
  const failed = freezeJson({ step, attempt, error, ...(ms !== undefined && { ms }) });
  const again = waitMs === undefined ? failed : { ...failed, retryAt: Math.ceil(nowOf(run) + waitMs) };
  if (run.progress.phase === "going") record(run, { type: "step.failed", data: again });
  else record(run, { type: "step.failed", data: failed }, undefined, { ifGoing: { type: "step.failed", data: again } });
}

/** What was thrown in a step, as an event keeps it. That has no stack: of what may be a defect, which only a stack locates, the process is told. */
export function keepThrown(run: DrivenRun, step: string, thrown: unknown): ErrorOnTheWire {
  const error = toRecordableError(thrown);
  const { runId, ports, progress } = run;
  if (error.code === "internal" && !isOurs(thrown))
    ports.onThrown({ runId, reactor: progress.plan.definition.name, step, error: thrown });
  return error;
}

/** What a function answered that may answer a result, or nothing. Throws `reactor.invalid_result` where it is neither. */
export function resultIn(
  answer: unknown,
  step: string,
  role: "guard" | "compensate" | "findOutcome",
): { readonly result: unknown } | undefined {
  if (answer === undefined || answer === null) return undefined;
  if (isResult(answer)) return answer;
  throw invalidAnswer(step, role, "it may answer { result } or nothing");
}

export const isResult = (answer: unknown): answer is { readonly result: unknown } =>
  typeof answer === "object" && answer !== null && Object.hasOwn(answer, "result");

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
