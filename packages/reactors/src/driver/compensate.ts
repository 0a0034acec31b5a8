import { backoffMs, fromWire, invariant, toRecordableError } from "@viable/kernel";
import type { Retry, StepNode } from "../definition.ts";
import type { OpenNode } from "../open-node.ts";
import type { DrivenRun } from "./driven-run.ts";
import { callInPool, notCalled } from "./enter-pool.ts";
import { functionOf, newCall } from "./new-call.ts";
import { isTimeout, keepThrown, resultIn, succeed } from "./outcomes.ts";
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
  try {
    invariant(said.kind === "step" && node.error !== undefined, "W8", `${path} is no step that failed`);
    const args = run.progress.argsOf(node);
    const data = { step: path, attempt: node.attempt + 1, during: "compensate" as const };
    const failure = { error: fromWire(node.error), args };
    const answered = await tryToClear(run, path, said, async (call) => {
      // In its place: what waits for one has not begun.
      const isFirst = call.attempt === 1;
      if (!said.idempotent && isFirst && !(await recordDurably(run, { type: "step.started", data }))) return notCalled;
      const answer = await call.call(() => functionOf(plan, "compensate")(call, failure), said.timeoutMs);
      return resultIn(answer, path, "compensate");
    });
    if (answered === notCalled) return;
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
  { idempotent, pool }: StepNode,
  clear: (call: StepCall) => Promise<T>,
): Promise<T | typeof notCalled> {
  const { clock, random } = run.ctx.runtime;
  for (let attempt = 1; ; attempt++) {
    try {
      return await callInPool(run, path, pool, async () => {
        const call = newCall(run, path, attempt);
        run.active.set(path, call);
        return await clear(call);
      });
    } catch (thrown) {
      const waitMs = backoffMs(clearingRetry, attempt, random);
      if (run.hasLeft) throw thrown;
      const isUnknown = isTimeout(keepThrown(run, path, thrown)) && !idempotent;
      if (waitMs === undefined || isUnknown) throw thrown;
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
