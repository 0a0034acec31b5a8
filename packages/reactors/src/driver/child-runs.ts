import type { ErrorOnTheWire } from "@viable/kernel";
import { backoffMs, fromWire, invariant } from "@viable/kernel";
import type { RunEvent, StepWait } from "@viable/protocol";
import type { ComposeNode } from "../definition.ts";
import { invalidAnswer } from "../errors.ts";
import type { OpenNode } from "../open-node.ts";
import { errorOf } from "../read-run.ts";
import { runIdFor } from "../run-id.ts";
import { askLog } from "./ask-log.ts";
import { clearingRetry } from "./compensate.ts";
import type { DrivenRun } from "./driven-run.ts";
import { fail, failAttempt, isResult, succeed } from "./outcomes.ts";
import { record } from "./record.ts";
import { needsReview } from "./reviews.ts";

/** Begins a composed run, in the same append as the event that says so, and waits for its end. */
export function awaitChild(run: DrivenRun, node: OpenNode, said: ComposeNode): void {
  const { wait } = node;
  if (wait?.for === "run") awaitOutcome(run, node, said, wait);
  else beginChild(run, node, said);
}

/** The child is known by (run, step, attempt): begun again after a crash, it is the same. */
function beginChild(run: DrivenRun, node: OpenNode, said: ComposeNode): void {
  const { ctx, runId, progress, ports } = run;
  const { path } = node;
  const attempt = node.attempt + 1;
  const definition = progress.plan.definition.children.get(said.reactor);
  invariant(definition !== undefined, "W8", `${path} composes "${said.reactor}", which its definition does not have`);
  const input = progress.argsOf(node);
  let started: RunEvent;
  try {
    started = { type: "run.started", data: ports.startOf(definition, input, { runId, step: path }) };
  } catch (error) {
    // The child's input schema is a user's, and may throw anything.
    fail(run, node, error);
    return;
  }
  const childId = runIdFor([ctx.tenant, runId, path, attempt]);
  const waiting: RunEvent = {
    type: "step.waiting",
    data: { step: path, wait: { for: "run", runId: childId, attempt } },
  };
  record(run, waiting, undefined, { begins: { runId: childId, event: started } });
}

function awaitOutcome(
  run: DrivenRun,
  node: OpenNode,
  said: ComposeNode,
  { runId, attempt }: StepWait & { for: "run" },
): void {
  const outcomeOf = () => run.ports.outcomeOf(run.ctx, runId);
  void askLog(run, node, outcomeOf, (ended) => {
    if (ended === undefined) return;
    if (ended.type === "run.completed") succeed(run, node, ended.data.result, { runId });
    else childFailed(run, node, said, attempt, errorOf(ended));
  });
}

/** It failed, and has undone what it had done: what then is for its parent to say, at once. Throws where that says none of what it may. */
function childFailed(
  run: DrivenRun,
  node: OpenNode,
  { maxRestarts }: ComposeNode,
  attempt: number,
  error: ErrorOnTheWire,
): void {
  const answer = node.plan.functions.onFailure?.(fromWire(error), { attempt }) ?? "fail";
  if (answer === "review") {
    needsReview(run, node.path, "run", "the run it is composed of ended without a result", { error });
    return;
  }
  if (isResult(answer)) {
    succeed(run, node, answer.result, { by: "compensation" });
    return;
  }
  if (answer !== "restart" && answer !== "fail") {
    // What it comes to is nobody's business: it must not take down the process where it rejects.
    if (answer instanceof Promise) answer.catch(() => undefined);
    const allowed = '"restart", "fail", "review" or { result }';
    throw invalidAnswer(node.path, "onFailure", `it may answer ${allowed}, and answered ${tell(answer)}`);
  }
  const restarts = { ...clearingRetry, maxAttempts: maxRestarts + 1 };
  const waitMs = answer === "restart" ? backoffMs(restarts, attempt, run.ctx.runtime.random) : undefined;
  failAttempt(run, node.path, attempt, error, waitMs);
}

/** What was answered, in words. */
function tell(answer: unknown): string {
  if (typeof answer === "string") return JSON.stringify(answer);
  if (typeof answer !== "object") return `a ${typeof answer}`;
  return answer instanceof Promise ? "a promise" : "an object without a result of its own";
}

/** The run goes no further: what it had composed is told to end, and waited for. */
export function endChild(run: DrivenRun, node: OpenNode, { runId }: StepWait & { for: "run" }): void {
  const { ctx, ports } = run;
  const outcomeOrEnd = async () => {
    const ended = await ports.outcomeOf(ctx, runId);
    if (ended === undefined) await ports.direct(ctx, runId, "cancel", `${run.runId} goes no further`);
    return ended;
  };
  void askLog(run, node, outcomeOrEnd, (ended) => {
    if (ended?.type === "run.completed") succeed(run, node, ended.data.result, { runId });
    else if (ended !== undefined) fail(run, node, fromWire(errorOf(ended)));
  });
}
