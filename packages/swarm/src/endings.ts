import type { Context, Part, Timer } from "@viable/kernel";
import { rootContext, toWire, withContext } from "@viable/kernel";
import { mayPass } from "@viable/log";
import { isOutcome } from "@viable/protocol";
import type { Registry } from "@viable/registry";
import { toEndedTask } from "./ended-task.ts";
import type { ExecutionState } from "./execution.ts";
import type { Executions } from "./executions.ts";

export interface EndingsSettings {
  readonly executions: Executions;
  /** Told what each end says of the swarm that had the task. */
  readonly registry: Registry;
  /** Told in a sentence of what went wrong and shows nowhere else. */
  onProblem?(message: string): void;
}

/** Ends executions that nobody else ends: those that are cancelled, or out of time, or whose parents have ended. */
export interface Endings extends Part {
  /** Ends the execution at its deadline, in case nothing else has by then, and tells the registry how it ended: at once, where it has. */
  watch(ctx: Context, state: ExecutionState): void;
  /** Gives an execution the outcome `cancelled`, if it has none yet; also what it has delegated. */
  cancel(ctx: Context, executionId: string, reason: string): Promise<ExecutionState>;
}

/** How often open executions are looked through for such that nobody else ends, in milliseconds. */
const sweepEveryMs = 1_000;
/** Of so many it is remembered until they end themselves, which is at the same deadline; beyond, the oldest may be blamed for nothing. */
const maxStarved = 1_000;

export function createEndings({ executions, registry, onProblem }: EndingsSettings): Endings {
  const deadlines = new Map<string, Timer>();
  /** Those that had delegated what then ran out of time. */
  const starved = new Set<string>();
  let sweepTimer: Timer | undefined;
  let stopped = false;
  /** Those that are due and cannot be ended: that is said once of each, not each second. */
  let unended: ReadonlySet<string> = new Set();

  /** Whether an execution ran out of time waiting for what it had delegated: then those who had that are to blame. */
  const waitedFor = ({ status, executionId, accepted }: ExecutionState): boolean => {
    if (status !== "timed_out") return false;
    if (accepted.parentId !== undefined) {
      if (starved.size >= maxStarved) starved.delete(starved.values().next().value as string);
      starved.add(accepted.parentId);
    }
    if (starved.delete(executionId)) return true;
    for (const { accepted: open } of executions.open()) if (open.parentId === executionId) return true;
    return false;
  };

  const tellEnded = (state: ExecutionState) => {
    const ended = toEndedTask(state, waitedFor(state));
    if (ended !== undefined) registry.taskEnded(ended);
  };

  const timeOut = async (ctx: Context, executionId: string, due: number) => {
    const state = await executions.decide(ctx, executionId, (now) =>
      // What was approved meanwhile has another deadline, which the sweep sees.
      isOutcome(now.status) || now.accepted.deadline > due
        ? undefined
        : { type: "execution.timed_out", data: { deadline: now.accepted.deadline } },
    );
    if (state.status === "timed_out") await cancelChildren(ctx, executionId, "the parent timed out");
  };
  const cancelChildren = async (ctx: Context, parentId: string, reason: string) => {
    for (const child of [...executions.open()]) {
      if (child.accepted.parentId === parentId)
        await self.cancel(withContext(ctx, { tenant: child.tenant }), child.executionId, reason);
    }
  };

  /**
   * Ends what nobody else does: executions past their deadline whose process is gone and left no timer behind, and tasks whose
   * parent has ended without them, as when a process died between the two.
   */
  const sweep = async (ctx: Context) => {
    const now = ctx.runtime.clock.now();
    const before = unended;
    const failed = new Set<string>();
    for (const state of [...executions.open()]) {
      // One that cannot be ended now must not keep the others from it; the next sweep comes in a second.
      await endIfDue(ctx, state, now).catch((error) => {
        const { executionId } = state;
        if (!before.has(executionId)) {
          if (mayPass(error) || ctx.signal.aborted) return;
          onProblem?.(
            `${executionId} is due to end and cannot be ended; it is tried each second, and counts as open: ${toWire(error).message}`,
          );
        }
        failed.add(executionId);
      });
    }
    unended = failed;
  };
  const endIfDue = async (ctx: Context, state: ExecutionState, now: number): Promise<void> => {
    const { deadline, parentId } = state.accepted;
    if (deadline + sweepEveryMs <= now) return await timeOut(ctx, state.executionId, deadline);
    if (parentId === undefined) return;
    const tenantCtx = withContext(ctx, { tenant: state.tenant });
    const parent = await executions.get(tenantCtx, parentId);
    if (parent !== undefined && isOutcome(parent.status))
      await self.cancel(tenantCtx, state.executionId, "the parent ended");
  };
  const scheduleSweep = (ctx: Context) => {
    sweepTimer = ctx.runtime.clock.setTimer(
      () => {
        void sweep(ctx).finally(() => {
          if (!stopped) scheduleSweep(ctx);
        });
      },
      sweepEveryMs,
      { background: true },
    );
  };

  const self: Endings = {
    watch(ctx, state) {
      const { executionId, accepted } = state;
      if (isOutcome(state.status)) return tellEnded(state);
      const timer = ctx.runtime.clock.setTimer(
        () => {
          deadlines.delete(executionId);
          void timeOut(rootContext(ctx.runtime), executionId, accepted.deadline).catch(() => undefined);
        },
        accepted.deadline - ctx.runtime.clock.now(),
        { background: true },
      );
      deadlines.set(executionId, timer);
      const end = (ended: ExecutionState) => {
        timer.cancel();
        deadlines.delete(executionId);
        tellEnded(ended);
      };
      const unlisten = executions.onSettled(executionId, end);
      if (executions.isOpen(executionId)) return;
      // It may have ended between its state and now, and then nobody tells of it any more.
      const look = async () => {
        const now = await executions.get(rootContext(ctx.runtime, { tenant: state.tenant }), executionId);
        if (now === undefined || !isOutcome(now.status) || !deadlines.has(executionId)) return;
        unlisten();
        end(now);
      };
      // Where it cannot be read, it is looked at again at its deadline.
      void look().catch(() => undefined);
    },
    async cancel(ctx, executionId, reason) {
      const state = await executions.decide(ctx, executionId, (now) =>
        isOutcome(now.status) ? undefined : { type: "execution.cancelled", data: { by: ctx.principal, reason } },
      );
      if (state.status === "cancelled") await cancelChildren(ctx, executionId, "the parent was cancelled");
      return state;
    },
    async start(ctx) {
      scheduleSweep(ctx);
    },
    async stop() {
      stopped = true;
      sweepTimer?.cancel();
      for (const timer of deadlines.values()) timer.cancel();
      deadlines.clear();
    },
  };
  return self;
}
