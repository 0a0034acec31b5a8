import type { Context, JsonValue } from "@viable/kernel";
import { codeOf, fromWire, rootContext, sleep, ViableError, waitFor } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { DoTask } from "@viable/reactors";
import { hopsFrom, originOfRun, taskGivenBack } from "@viable/reactors";
import type { Grant } from "@viable/security";
import type { ExecutionState, Executions, Intake, IntakeOutcome } from "@viable/swarm";

export interface RunTaskPorts {
  readonly log: Log;
  readonly executions: Executions;
  readonly intake: Intake;
  /**
   * Settles once every swarm of this process is registered: what a crash has left must not be refused because the others are not up yet.
   * Rejects where that will never be.
   */
  readonly ready: Promise<void>;
}

/** Why a call was ended, where that means that nobody wants what it asked for. Else the run goes on elsewhere, and asks for the same again. */
const unwanted: ReadonlySet<string> = new Set(["reactor.run_cancelled", "reactor.step_timed_out"]);

/**
 * Has a run's tasks done by agents, through the door that every command passes. A task is asked for in the name of whoever began the run, with
 * the authority that its command was accepted under, or that of the run it is composed in (W4). Its key finds it again: after a crash
 * the outcome that was recorded is the answer, and nothing is done twice. Where it is refused for now, as by a queue that is full, nothing was
 * recorded, and it is asked for again until the step's time is up.
 */
export function createRunTasks({ log, executions, intake, ready }: RunTaskPorts): DoTask {
  return async (ctx, { runId, capability, args, timeoutMs, key }) => {
    const { clock } = ctx.runtime;
    const deadline = clock.now() + timeoutMs;
    const isReady = ready.then(
      () => true,
      () => false,
    );
    if (!(await waitFor(ctx, isReady))) return taskGivenBack;
    const { grant, depth } = await authorityOfRun(ctx, { log, executions }, runId);
    const request = { grant, depth, command: capability, args: args as JsonValue, idempotencyKey: key, deadline };
    let outcome = await intake.submit(ctx, request);
    while (!outcome.ok) {
      if (outcome.kind === "stopping") return taskGivenBack;
      const { retryAfterMs } = outcome;
      if (retryAfterMs === undefined || clock.now() + retryAfterMs >= deadline) throw refused(outcome);
      await sleep(ctx, retryAfterMs);
      outcome = await intake.submit(ctx, request);
    }
    const { executionId } = outcome;
    try {
      return resultOf(await executions.whenSettled(ctx, executionId));
    } catch (error) {
      if (!ctx.signal.aborted || !unwanted.has(codeOf(ctx.signal.reason))) throw error;
      const cancelCtx = rootContext(ctx.runtime, { tenant: ctx.tenant, principal: ctx.principal });
      const reason = `the run ${runId} goes no further with it`;
      // Where it cannot be told to end, it does by its deadline; why it was to end is what the step comes to.
      const ended = await intake.cancel(cancelCtx, executionId, reason).catch(() => undefined);
      if (ended?.status === "completed") return resultOf(ended);
      throw error;
    }
  };
}

/**
 * What a run may have done, and over how many hops its tasks come: an agent may begin runs, whose tasks may be its own, and a process manager
 * runs, by events of what their tasks did. One that a schedule or a process manager of the config began acts for the system. Who else began it in no command's name has no
 * authority to hand on: unknown means no.
 */
async function authorityOfRun(
  ctx: Context,
  sources: Pick<RunTaskPorts, "log" | "executions">,
  runId: string,
): Promise<{ readonly grant: Grant; readonly depth: number }> {
  const origin = await originOfRun(ctx, sources.log, runId);
  if (origin !== undefined && /^(schedule|projection):/.test(origin.principal)) {
    const { principal, causation } = origin;
    return {
      grant: toGrant(ctx.tenant, { principal, operations: ["read", "write", "execute"] }),
      depth: await hopsFrom(ctx, sources.log, causation),
    };
  }
  const cause = origin?.causation === undefined ? undefined : await sources.executions.get(ctx, origin.causation);
  if (cause === undefined)
    throw new ViableError("reactor.no_authority", `In whose name ${runId} may have tasks done is not known.`, {
      next: "Begin it by the command reactor.start, or by a schedule or process manager of the config.",
    });
  const { authority, depth } = cause.accepted;
  return { grant: toGrant(cause.tenant, authority, cause.session), depth: depth + 1 };
}

const toGrant = (
  tenant: string,
  {
    principal,
    operations,
    isSessionToken,
    denied,
    capabilities,
  }: Pick<Grant, "principal" | "operations"> & {
    isSessionToken?: true | undefined;
    denied?: readonly string[] | undefined;
    capabilities?: readonly string[] | undefined;
  },
  sessionId?: string,
): Grant => ({
  // Tasks were paid for by what began the run, and the engine bounds how many there are at once.
  tokenId: "runs",
  commandsPerHour: Number.MAX_SAFE_INTEGER,
  maxConcurrent: undefined,
  tenant,
  principal,
  clientType: "agent",
  operations,
  sessionId,
  ...(isSessionToken && { isSessionToken }),
  ...(denied && { denied }),
  ...(capabilities && { shown: capabilities }),
  // What was accepted goes on after its session, as executions do.
  expiresAt: null,
});

function refused({ code, message, reasons, retryAfterMs }: IntakeOutcome & { ok: false }): ViableError {
  return new ViableError(code, [message, reasons.join("; ")].filter((part) => part !== "").join(" "), {
    retryable: retryAfterMs !== undefined,
  });
}

function resultOf({ status, result, error }: ExecutionState): JsonValue {
  if (status === "completed") return result ?? null;
  if (error === undefined) throw new ViableError("internal", `The task ended as ${status} without saying why.`);
  // Whoever ended it did not want it tried again.
  throw fromWire(status === "cancelled" ? { ...error, retryable: false } : error);
}
