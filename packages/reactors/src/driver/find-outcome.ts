import type { ErrorOnTheWire } from "@viable/kernel";
import { backoffMs } from "@viable/kernel";
import type { ReviewDuring } from "@viable/protocol";
import type { OpenNode } from "../open-node.ts";
import type { DrivenRun } from "./driven-run.ts";
import { callInPool, notCalled } from "./enter-pool.ts";
import { newCall } from "./new-call.ts";
import { failAttempt, keepForUndo, keepThrown, resultIn, succeed } from "./outcomes.ts";
import { record } from "./record.ts";
import { needsReview } from "./reviews.ts";

/** Something that must not be done twice may have been done: its own way to find out is asked, then a person. */
export async function findOutcome(run: DrivenRun, node: OpenNode, during: ReviewDuring): Promise<void> {
  const { path, plan } = node;
  const { node: said, functions } = plan;
  const { findOutcome: ask } = functions;
  const ended = run.uncertain?.get(path);
  run.uncertain?.delete(path);
  const unknown = whyUnknown(ended);
  if (said.kind !== "step" || during !== "run" || ask === undefined) {
    needsReview(run, path, during, unknown, ended === undefined ? {} : { error: ended });
    return;
  }
  const call = newCall(run, path, node.attempt + 1);
  try {
    const args = run.progress.argsOf(node);
    const found = await callInPool(run, path, said.pool, async () => {
      run.active.set(path, call);
      return resultIn(await call.call(() => ask(call, args), said.timeoutMs), path, "findOutcome");
    });
    if (found === notCalled) return;
    if (found !== undefined) succeed(run, node, found.result, { args: keepForUndo(node, args) });
    else if (run.progress.phase !== "going")
      record(run, { type: "step.skipped", data: { step: path } }, undefined, { ifGoing: null });
    // It was begun here and came to nothing, as any attempt may.
    else if (ended !== undefined) {
      const attempt = node.attempt + 1;
      const waitMs = ended.retryable ? backoffMs(said.retry, attempt, run.ctx.runtime.random) : undefined;
      failAttempt(run, path, attempt, ended, waitMs);
      const after = run.progress.open.get(path);
      if (after !== undefined) after.hasRun = false;
    } else beginAnew(run, path);
  } catch (error) {
    if (!run.hasLeft) needsReview(run, path, during, unknown, { error: keepThrown(run, path, error) });
  }
  // Begun anew, another call stands there by now.
  if (run.active.get(path) === call) run.active.delete(path);
  run.settle();
}

function whyUnknown(ended: ErrorOnTheWire | undefined): string {
  if (ended === undefined) return "it began, and whether it happened is not known; it must not be done twice";
  return ended.code === "reactor.invalid_result"
    ? "it has answered what cannot be kept, and must not be done twice"
    : "it was ended before it answered, and must not be done twice";
}

/** It did not happen: it is done as if for the first time. */
function beginAnew(run: DrivenRun, path: string): void {
  const node = run.progress.open.get(path);
  if (node === undefined) return;
  node.begun = undefined;
  node.hasRun = false;
  run.active.delete(path);
  run.launch([node]);
}
