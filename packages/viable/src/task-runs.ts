import { createHash } from "node:crypto";
import type { Context, JsonValue } from "@viable/kernel";
import { codeOf, idFromDigest, rootContext, sleep, toWire, ViableError, withContext } from "@viable/kernel";
import type { Begun, Reactors, RunEnding } from "@viable/reactors";
import { errorOfRun } from "@viable/reactors";
import type { CarryOutRun, TaskRunOutcome } from "@viable/swarm";

/** Why a task ended, where that means that nobody wants its run. Else it is begun again, here or elsewhere, and finds the run that it had begun. */
const unwanted: ReadonlySet<string> = new Set([
  "execution.cancelled",
  "execution.timed_out",
  "context.deadline_exceeded",
]);

/**
 * Has runs of reactors do the work of tasks: begun in the name of whoever asked for the task and caused by it, so that a run may have done what the
 * task may (W4), and found again by a task that is begun again. What a task that was cancelled or ran out of time had begun is cancelled. Where
 * it ends while no worker has it, since its process died and no other has begun it again yet, the run goes on to its end.
 */
export function createTaskRuns(reactors: () => Reactors): CarryOutRun {
  return async (ctx, parent, reactor, input, key) => {
    const { executionId, accepted, session } = parent;
    const own = withContext(ctx, { principal: accepted.authority.principal });
    const options = { key: `task:${executionId}:${key}`, causation: executionId, session };
    // Begun whatever becomes of the task meanwhile: what nobody knows of nobody could cancel.
    const begun = await begin(ctx, withoutEnd(own), reactors(), reactor, input, options);
    if (!begun.ok) return begun;
    const { runId } = begun;
    try {
      return toOutcome(runId, await reactors().whenEnded(own, runId));
    } catch (error) {
      const why = ctx.signal.aborted ? ctx.signal.reason : error;
      if (unwanted.has(codeOf(why))) await cancel(own, reactors(), runId, codeOf(why));
      throw error;
    }
  };
}

type Options = { readonly key: string; readonly causation: string; readonly session: string | undefined };

const withoutEnd = ({ runtime, tenant, principal, traceparent }: Context): Context =>
  rootContext(runtime, { tenant, principal, traceparent });

/** Asks again while there are too many runs, as long as the task has time. */
async function begin(
  taskCtx: Context,
  ctx: Context,
  reactors: Reactors,
  reactor: string,
  input: JsonValue,
  options: Options,
): Promise<(Begun & { ok: true }) | (TaskRunOutcome & { ok: false })> {
  for (;;) {
    let outcome: Begun;
    try {
      outcome = await reactors.begin(ctx, reactor, input, options);
    } catch (error) {
      if (!codeOf(error).startsWith("reactor.")) throw error;
      return { ok: false, status: "refused", runId: undefined, error: toWire(error) };
    }
    if (outcome.ok) return outcome;
    const { message, retryAfterMs } = outcome;
    if (retryAfterMs === undefined) {
      const error = toWire(new ViableError(`reactor.${outcome.reason}`, message));
      return { ok: false, status: "refused", runId: undefined, error };
    }
    await sleep(taskCtx, retryAfterMs);
  }
}

/** Nobody waits for what it undoes. Where it cannot be told, the run goes on to its end. */
async function cancel(ctx: Context, reactors: Reactors, runId: string, why: string): Promise<void> {
  const cancelCtx = rootContext(ctx.runtime, { tenant: ctx.tenant, principal: ctx.principal });
  const order = { id: idFromDigest("evt", createHash("sha256").update(`${ctx.tenant} ${runId} task ended`).digest()) };
  await reactors
    .cancel(cancelCtx, runId, `the task that it was begun for has ended (${why})`, order)
    .catch(() => undefined);
}

function toOutcome(runId: string, ended: RunEnding): TaskRunOutcome {
  if (ended.type === "run.completed") return { ok: true, runId, result: ended.data.result };
  const status = ended.type.slice("run.".length) as "failed" | "compensated" | "cancelled";
  return { ok: false, status, runId, error: errorOfRun(ended) };
}
