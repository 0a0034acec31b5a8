import type { ErrorOnTheWire } from "@viable/kernel";
import { backoffMs, toRecordableError, ViableError } from "@viable/kernel";
import type { Retry, StepNode, TaskNode } from "../definition.ts";
import { taskGivenBack } from "../do-task.ts";
import type { OpenNode } from "../progress.ts";
import type { DrivenRun } from "./driven-run.ts";
import { isToClear } from "./driven-run.ts";
import { functionOf, newCall } from "./new-call.ts";
import { failAttempt, isOurs, isTimeout, resultIn, succeed } from "./outcomes.ts";
import type { StepCall } from "./step-call.ts";
import { record, recordDurably } from "./write-events.ts";

/** Has a step or a task called, as soon as it is its turn: in the run, and then in the step's pool. */
export function queueCall(run: DrivenRun, node: OpenNode): void {
  run.active.set(node.path, { end: () => {} });
  run.queue.push(node);
  callNext(run);
}

function callNext(run: DrivenRun): void {
  const { maxConcurrency } = run.progress.plan.definition;
  while (run.calls < maxConcurrency) {
    const node = run.queue.shift();
    if (node === undefined) return;
    const { node: said } = node.plan;
    const isCalled = said.kind === "step" || said.kind === "task";
    if (!isCalled || (run.progress.phase !== "going" && !isToClear(run, node))) {
      run.active.delete(node.path);
      continue;
    }
    run.calls += 1;
    if (said.kind === "step" && said.pool !== undefined) enterPool(run, node, said, said.pool);
    else void call(run, node, said, () => callDone(run, node.path));
  }
}

/** Calls a step once there is a place for it. */
function enterPool(run: DrivenRun, node: OpenNode, said: StepNode, pool: string): void {
  const { pools } = run.ports;
  let hasEntered = false;
  const giveUpWaiting = pools.enter(pool, () => {
    hasEntered = true;
    if (run.hasLeft || !run.progress.open.has(node.path)) {
      pools.leave(pool);
      return;
    }
    void call(run, node, said, () => {
      pools.leave(pool);
      callDone(run, node.path);
    });
  });
  if (hasEntered) return;
  const end = () => {
    giveUpWaiting();
    callDone(run, node.path);
  };
  run.active.set(node.path, { end, isQueued: true });
}

function callDone(run: DrivenRun, path: string): void {
  run.active.delete(path);
  run.calls -= 1;
  const node = run.uncertain.has(path) ? run.progress.open.get(path) : undefined;
  if (node !== undefined) run.launch([node]);
  callNext(run);
  run.settle();
}

/** One attempt: asks whether it is to be done, does it, and records what came of it. */
async function call(run: DrivenRun, node: OpenNode, said: StepNode | TaskNode, done: () => void): Promise<void> {
  const { path, plan } = node;
  const attempt = node.attempt + 1;
  const step = newCall(run, path, attempt);
  run.active.set(path, step);
  const { clock } = run.ctx.runtime;
  const beganMs = clock.monotonicMs();
  try {
    const args = run.progress.argsOf(node);
    const { where, guard, result: judge, undo } = plan.functions;
    // In a turn of its own: a thousand that are skipped must not call each other.
    if (where !== undefined) await undefined;
    if (where !== undefined && where(args) !== true) {
      record(run, { type: "step.skipped", data: { step: path } });
      return;
    }
    if (guard !== undefined) {
      const guarded = resultIn(await step.call(() => guard(args, step), said.timeoutMs), path);
      if (guarded !== undefined) {
        succeed(run, node, guarded.result, { by: "guard" });
        return;
      }
    }
    if (said.kind === "step" && !said.idempotent) {
      if (!(await recordDurably(run, { type: "step.started", data: { step: path, attempt } }))) return;
    }
    const runStep =
      said.kind === "task" ? () => doTask(run, step, said, args) : () => functionOf(plan, "run")(step, args);
    const result = await step.call(runStep, said.timeoutMs);
    if (result === taskGivenBack) return;
    succeed(run, node, judge === undefined ? result : judge(result), {
      ...(undo !== undefined && { args }),
      ms: Math.round(clock.monotonicMs() - beganMs),
      ...(attempt > 1 && { attempt }),
    });
  } catch (error) {
    if (!run.hasLeft) callFailed(run, node, said, step, error);
  } finally {
    done();
  }
}

function doTask(run: DrivenRun, call: StepCall, { capability, timeoutMs }: TaskNode, args: unknown): Promise<unknown> {
  const { ctx, runId, ports } = run;
  if (ports.doTask === undefined)
    throw new ViableError("reactor.no_tasks", `There is nobody here to find an agent for "${capability}".`, {
      next: "Run the reactor in a system that has swarms.",
    });
  const { step, attempt } = call;
  const key = `${call.idempotencyKey}/${attempt}`;
  return ports.doTask({ ...ctx, signal: call.signal }, { runId, step, attempt, capability, args, timeoutMs, key });
}

function callFailed(run: DrivenRun, node: OpenNode, said: StepNode | TaskNode, call: StepCall, thrown: unknown): void {
  const error = toRecordableError(thrown);
  // It stands as begun: what it came to is found out as after a crash.
  if (said.kind === "step" && !said.idempotent && (call.isTold || isTimeout(error))) {
    run.uncertain.set(node.path, error);
    return;
  }
  const isWorthIt = isWorthAnother(said.retry, error, thrown);
  const waitMs = isWorthIt ? backoffMs(said.retry, call.attempt, run.ctx.runtime.random) : undefined;
  failAttempt(run, node.path, call.attempt, error, waitMs);
}

/** Whether a failure is worth another try. */
const isWorthAnother = (retry: Retry, error: ErrorOnTheWire, thrown: unknown): boolean =>
  error.retryable || (retry.on === "any" && !isOurs(thrown));
