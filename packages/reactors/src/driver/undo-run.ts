import type { ErrorOnTheWire } from "@viable/kernel";
import { backoffMs, invariant } from "@viable/kernel";
import { mayPass } from "@viable/log";
import type { RunEvent, UndoCause } from "@viable/protocol";
import type { StepNode } from "../definition.ts";
import type { Progress } from "../progress.ts";
import { askAgainMs } from "./ask-log.ts";
import { clearingRetry } from "./compensate.ts";
import type { DrivenRun } from "./driven-run.ts";
import { nowOf, undoKey, wakeFor } from "./driven-run.ts";
import { callInPool } from "./enter-pool.ts";
import { functionOf, newCall } from "./new-call.ts";
import { isTimeout, keepThrown } from "./outcomes.ts";
import { record, recordDurably } from "./record.ts";
import { needsReview } from "./reviews.ts";
import type { UndoTarget } from "./undo-walk.ts";
import { nextToUndo } from "./undo-walk.ts";

/** How many names of steps that were kept an event tells. */
const maxKeptNames = 100;

/**
 * Takes one success more back, the latest first; or ends the run, where there is none left. False where that has to wait, and nothing
 * goes on until then.
 */
export function undoNext(run: DrivenRun): boolean {
  const { retryAt } = run.progress.undo;
  if (run.active.has(undoKey)) return true;
  if (retryAt !== undefined && nowOf(run) < retryAt) {
    restUndo(run, retryAt);
    return false;
  }
  void undoOne(run);
  return true;
}

async function undoOne(run: DrivenRun): Promise<void> {
  run.active.set(undoKey, { kind: "asking" });
  try {
    const target = await nextToUndo(run.ctx, run.ports.log, run.progress);
    if (target === undefined) endUndone(run);
    else await undo(run, target);
  } catch (error) {
    if (run.hasLeft) return;
    if (mayPass(error)) restUndo(run, nowOf(run) + askAgainMs);
    else run.giveUp(error);
  } finally {
    run.active.delete(undoKey);
    run.settle();
  }
}

async function undo(run: DrivenRun, target: UndoTarget): Promise<void> {
  const { step, of, plan, runId } = target;
  const said = plan.node;
  const isOnce = said.kind === "step" && !said.idempotent;
  if (isOnce && run.progress.undo.hasBegun) {
    const reason = "its undo began, and whether it was undone is not known; that must not be done twice";
    needsReview(run, step, "undo", reason, { of });
    return;
  }
  const attempt = run.progress.undo.attempt + 1;
  try {
    const isUndone =
      said.kind === "step" ? await undoStep(run, target, said, attempt) : await undoChild(run, runId, step);
    if (isUndone) record(run, { type: "step.undone", data: { step, of } });
  } catch (thrown) {
    if (run.hasLeft) return;
    // A composed run could not be asked: that is no try, and is asked again.
    if (said.kind !== "step" && mayPass(thrown)) throw thrown;
    const error = keepThrown(run, step, thrown);
    const isUnknown = isOnce && isTimeout(error);
    const waitMs = isUnknown ? undefined : backoffMs(clearingRetry, attempt, run.ctx.runtime.random);
    if (waitMs === undefined) needsReview(run, step, "undo", "it could not be undone", { error, of });
    else {
      const data = { step, of, attempt, error, retryAt: Math.ceil(nowOf(run) + waitMs) };
      record(run, { type: "step.undo_failed", data });
    }
  }
}

/** Calls a step's undo; false where the run was lost before, or the wait for a place in the step's pool given up. */
async function undoStep(
  run: DrivenRun,
  { step, plan, args, result }: UndoTarget,
  { idempotent, timeoutMs, pool }: StepNode,
  attempt: number,
): Promise<boolean> {
  const isCalled = await callInPool(run, undoKey, pool, async () => {
    const call = newCall(run, step, attempt);
    run.active.set(undoKey, call);
    if (!idempotent) {
      const started: RunEvent = { type: "step.started", data: { step, attempt, during: "undo" } };
      if (!(await recordDurably(run, started))) return false;
    }
    await call.call(() => functionOf(plan, "undo")(call, { result, args }), timeoutMs);
    return true;
  });
  return isCalled === true;
}

/** Whether a composed run is undone by now; else it was told, and this run hears when it is. */
async function undoChild(run: DrivenRun, runId: string | undefined, step: string): Promise<boolean> {
  invariant(runId !== undefined, "W8", `${step} is undone, and is neither a step nor a run`);
  // Before anything is asked: it may end while it is.
  run.undoRests = true;
  const ended = await run.ports.outcomeOf(run.ctx, runId);
  if (ended === undefined || ended.type === "run.completed") {
    await run.ports.direct(run.ctx, runId, "undo", `${step} of ${run.runId} is undone`);
    return false;
  }
  run.undoRests = false;
  return true;
}

function restUndo(run: DrivenRun, untilMs: number): void {
  run.undoRests = true;
  wakeFor(run, undoKey, untilMs);
}

/** All is undone, or there was nothing to undo. */
export function endUndone(run: DrivenRun): void {
  if (run.progress.ended === undefined) record(run, endingOf(run.progress));
}

/** How a run ends that did not complete, or was undone after it had. */
function endingOf(progress: Progress): RunEvent {
  const cause = causeOf(progress);
  const names = [...progress.undo.kept].slice(0, maxKeptNames);
  const kept = names.length === 0 ? {} : { kept: names };
  const { by = "", reason = "", error } = cause;
  if (cause.kind === "cancelled") return { type: "run.cancelled", data: { by, reason, ...kept } };
  if (progress.undo.done > 0 || cause.kind === "requested")
    return { type: "run.compensated", data: { cause, ...kept } };
  return { type: "run.failed", data: { error: error as ErrorOnTheWire, ...kept } };
}

/** Why a run goes no further; that there is a reason is what made it stop. */
export function causeOf({ failure, runId }: Progress): UndoCause {
  invariant(failure !== undefined, "W8", `the run ${runId} goes no further, and nothing says why`);
  return failure.cause;
}
