import type { ErrorOnTheWire } from "@viable/kernel";
import { backoffMs, toRecordableError, ViableError } from "@viable/kernel";
import type { Retry, StepNode, TaskNode } from "../definition.ts";
import { taskGivenBack } from "../do-task.ts";
import type { OpenNode } from "../open-node.ts";
import { isToClear, mayHaveRun } from "./clear-up.ts";
import { truthOf } from "./condition.ts";
import type { DrivenRun } from "./driven-run.ts";
import { enterPool } from "./enter-pool.ts";
import { giveUpWhereLate } from "./give-up-where-late.ts";
import { functionOf, newCall } from "./new-call.ts";
import { failAttempt, isOurs, isTimeout, keepForUndo, keepThrown, resultIn, succeed } from "./outcomes.ts";
import { record, recordDurably } from "./record.ts";
import type { StepCall } from "./step-call.ts";

const queued = { kind: "queued" } as const;

/** How far an attempt has come: before its function was called nothing of it has happened, and once that has answered it has. */
type Reached = "nothing" | "call" | "answer";

/** Has a step or a task called, as soon as it is its turn: in the run, and then in the step's pool. */
export function queueCall(run: DrivenRun, { path }: OpenNode): void {
  run.active.set(path, queued);
  run.queue.push(path);
  callNext(run);
}

/** What waits for its turn waits no longer, but for what `isKept` says. All of it goes at once: what that means for the run is not looked at here. */
export function dropWaiting(run: DrivenRun, isKept: (node: OpenNode) => boolean): void {
  let hasDropped = false;
  for (const [path, each] of run.active) {
    if (each.kind !== "queued" && each.kind !== "waitingForPool") continue;
    const node = run.progress.open.get(path);
    // A compensation of which the log says that it began waits between two tries, and is let end: else a person would have to be asked.
    if (node !== undefined && (node.begun === "compensate" || isKept(node))) continue;
    hasDropped = true;
    run.active.delete(path);
    if (each.kind === "waitingForPool") each.giveUp();
  }
  if (!hasDropped) return;
  run.queue = run.queue.filter((path) => run.active.get(path) === queued);
  callNext(run);
}

function callNext(run: DrivenRun): void {
  const { maxConcurrency } = run.progress.plan.definition;
  while (!run.hasLeft && run.calls < maxConcurrency) {
    const path = run.queue.shift();
    if (path === undefined) return;
    const node = nodeToCall(run, path);
    const said = node?.plan.node;
    if (node === undefined || (said?.kind !== "step" && said?.kind !== "task")) {
      run.active.delete(path);
      continue;
    }
    run.calls += 1;
    if (said.kind === "step" && said.pool !== undefined) callStepInPool(run, path, said, said.pool);
    else void call(run, node, said, () => callDone(run, path));
  }
}

/** What is called now that it is its turn; undefined where the run goes no further by now, or is not this driver's. */
function nodeToCall(run: DrivenRun, path: string): OpenNode | undefined {
  if (!run.hasLeft) giveUpWhereLate(run);
  const node = run.hasLeft ? undefined : run.progress.open.get(path);
  return node !== undefined && (run.progress.phase === "going" || isToClear(run, node)) ? node : undefined;
}

/** Calls a step once there is a place for it. */
function callStepInPool(run: DrivenRun, path: string, said: StepNode, pool: string): void {
  const done = () => {
    run.ports.pools.leave(pool);
    callDone(run, path);
  };
  const goOn = () => {
    const node = nodeToCall(run, path);
    if (node === undefined) done();
    else void call(run, node, said, done);
  };
  const givenUp = () => {
    run.calls -= 1;
  };
  enterPool(run, path, pool, goOn, givenUp);
}

function callDone(run: DrivenRun, path: string): void {
  run.active.delete(path);
  run.calls -= 1;
  const node = run.uncertain?.has(path) ? run.progress.open.get(path) : undefined;
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
  let reached: Reached = "nothing";
  try {
    const args = run.progress.argsOf(node);
    const { where, guard, result: judge } = plan.functions;
    // In a turn of its own: a thousand that are skipped must not call each other.
    if (where !== undefined) await undefined;
    if (where !== undefined && !truthOf(where(args), path, "where")) {
      record(run, { type: "step.skipped", data: { step: path } });
      return;
    }
    if (guard !== undefined) {
      const guarded = resultIn(await step.call(() => guard(args, step), said.timeoutMs), path, "guard");
      if (guarded !== undefined) {
        // What an attempt before this one may have done is this run's own: noted as that, it can be taken back.
        const own = mayHaveRun(run, node) ? { attempt, args: keepForUndo(node, args) } : {};
        succeed(run, node, guarded.result, { by: "guard", ...own });
        return;
      }
    }
    const keptArgs = keepForUndo(node, args);
    if (said.kind === "step" && !said.idempotent) {
      if (!(await recordDurably(run, { type: "step.started", data: { step: path, attempt } }))) return;
    }
    const runStep =
      said.kind === "task" ? () => doTask(run, step, said, args) : () => functionOf(plan, "run")(step, args);
    reached = "call";
    const result = await step.call(runStep, said.timeoutMs);
    if (result === taskGivenBack) return;
    reached = "answer";
    succeed(run, node, judge === undefined ? result : judge(result), {
      args: keptArgs,
      ms: Math.round(clock.monotonicMs() - beganMs),
      ...(attempt > 1 && { attempt }),
    });
  } catch (error) {
    if (!run.hasLeft) callFailed(run, node, said, step, reached, error, Math.round(clock.monotonicMs() - beganMs));
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

function callFailed(
  run: DrivenRun,
  node: OpenNode,
  said: StepNode | TaskNode,
  call: StepCall,
  reached: Reached,
  thrown: unknown,
  ms: number,
): void {
  // What one that was told to end throws is no defect, but how it ended.
  const error = call.isTold ? toRecordableError(thrown) : keepThrown(run, node.path, thrown);
  // It stands as begun: what it came to is found out as after a crash. One that answered has happened, and its answer cannot be kept.
  const isUnknown = reached === "answer" || (reached === "call" && (call.isTold || isTimeout(error)));
  if (said.kind === "step" && !said.idempotent && isUnknown) {
    run.uncertain ??= new Map();
    run.uncertain.set(node.path, error);
    return;
  }
  const isWorthIt = isWorthAnother(said.retry, error, thrown);
  const waitMs = isWorthIt ? backoffMs(said.retry, call.attempt, run.ctx.runtime.random) : undefined;
  const { hasRun } = node;
  failAttempt(run, node.path, call.attempt, error, waitMs, ms);
  // The log does not tell a failed guard from a failed call. As long as this driver has the run it knows better.
  const after = reached === "nothing" ? run.progress.open.get(node.path) : undefined;
  if (after !== undefined) after.hasRun = hasRun;
}

/** Whether a failure is worth another try. */
const isWorthAnother = (retry: Retry, error: ErrorOnTheWire, thrown: unknown): boolean =>
  error.retryable || (retry.on === "any" && !isOurs(thrown));
