import { backoffMs, fromWire, invariant, toRecordableError } from "@viable/kernel";
import type { Retry } from "../definition.ts";
import type { OpenNode } from "../open-node.ts";
import type { DrivenRun } from "./driven-run.ts";
import { functionOf, newCall } from "./new-call.ts";
import { isTimeout, resultIn, succeed } from "./outcomes.ts";
import { record, recordDurably } from "./record.ts";
import { needsReview } from "./reviews.ts";
import type { StepCall } from "./step-call.ts";

/** How often a compensation and an undo are tried, and with what waits, before a person is asked. */
export const clearingRetry: Retry = { baseMs: 50, maxMs: 5_000, maxAttempts: 5, on: "any" };
/** How much longer than it should a pause between two tries may take, in milliseconds. */
const pauseGraceMs = 60_000;

/** A step failed for good: what puts that right is called, and may answer a result to go on with. */
export async function compensate(run: DrivenRun, node: OpenNode): Promise<void> {
  const { path, plan } = node;
  const { node: said } = plan;
  run.active.set(path, newCall(run, path, 1));
  try {
    invariant(said.kind === "step" && node.error !== undefined, "W8", `${path} is no step that failed`);
    const args = run.progress.argsOf(node);
    if (!said.idempotent) {
      const data = { step: path, attempt: node.attempt + 1, during: "compensate" as const };
      if (!(await recordDurably(run, { type: "step.started", data }))) return;
    }
    const failure = { error: fromWire(node.error), args };
    const answered = await tryToClear(run, path, said.idempotent, async (call) => {
      const answer = await call.call(() => functionOf(plan, "compensate")(call, failure), said.timeoutMs);
      return resultIn(answer, path);
    });
    if (answered === undefined) record(run, { type: "step.compensated", data: { step: path } });
    else succeed(run, node, answered.result, { by: "compensation" });
  } catch (error) {
    if (!run.hasLeft)
      needsReview(run, path, "compensate", "its compensation failed", { error: toRecordableError(error) });
  } finally {
    run.active.delete(path);
    run.settle();
  }
}

/** Calls what puts things right, again where it fails and may be done twice; throws the last failure. */
async function tryToClear<T>(
  run: DrivenRun,
  path: string,
  idempotent: boolean,
  clear: (call: StepCall) => Promise<T>,
): Promise<T> {
  const { clock, random } = run.ctx.runtime;
  for (let attempt = 1; ; attempt++) {
    const call = newCall(run, path, attempt);
    run.active.set(path, call);
    try {
      return await clear(call);
    } catch (error) {
      const waitMs = backoffMs(clearingRetry, attempt, random);
      const isUnknown = !idempotent && isTimeout(toRecordableError(error));
      if (waitMs === undefined || isUnknown || run.hasLeft) throw error;
      // A call of its own: one whose time was up has ended, and waits for nothing any more.
      const pause = newCall(run, path, attempt);
      run.active.set(path, pause);
      await pause.call(
        () => new Promise<void>((resolve) => void clock.setTimer(resolve, waitMs)),
        waitMs + pauseGraceMs,
      );
    }
  }
}
