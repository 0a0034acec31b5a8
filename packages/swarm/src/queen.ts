import type { Membership } from "@viable/cluster";
import type { Context } from "@viable/kernel";
import { rootContext, toWire } from "@viable/kernel";
import type { Claim } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";
import type { AgentDefinition } from "./agent.ts";
import type { ExecutionEvent, ExecutionState } from "./execution.ts";
import type { Executions } from "./executions.ts";
import type { ServiceDefinition } from "./service.ts";
import type { Task } from "./task.ts";
import type { WorkerPool } from "./worker-pool.ts";

/** How often a queen looks for work that no word reached her of, in milliseconds. */
export const sweepEveryMs = 1_000;

/** The agent of a service that does what is asked: the first that offers exactly this capability. Pure. */
export function chooseAgent(service: ServiceDefinition, capability: string): AgentDefinition | undefined {
  return service.agents.find((agent) => agent.capability === capability);
}

/** What a process that hosts a service knows when it decides about an execution. */
export interface ClaimSituation {
  /** Wall time in milliseconds. */
  readonly now: number;
  readonly processId: string;
  readonly epoch: number;
  /** Whether this process's pool has the execution in hand, or is about to: by its newest claim, or by one that another's has followed. */
  readonly held: boolean;
  /** Whether of all processes one at a time runs the service: then this is that one. */
  readonly isSingleton: boolean;
  /** Whether this process is at the last attempt of another task that was lost before. */
  isAtLastAttempt(): boolean;
  isGone(processId: string, epoch: number): boolean;
  /** What somebody has seen and recorded of a process's end, as in "ended with status 3". */
  readonly end?: RecordedEnd | undefined;
}

interface RecordedEnd {
  readonly processId: string;
  readonly how: string;
}

/**
 * Whether an execution may be claimed here and now, and as what. Pure (W8): the same state and situation, the same answer. It
 * may be claimed where nobody has (and it was routed here, or to a process that is gone, or was given back for anyone), where its process is gone, where it is
 * this process's own and no worker has it any more, or where a worker has it under a lease that was lost meanwhile. What one
 * process at a time runs has moved here from wherever it was routed to or begun: a process that lives on does it no more.
 *
 * Of tasks that were lost and have one attempt left, a process begins one at a time: one of them may be what ends it, and the others, which
 * were only beside it, must not fail with it. What was asked for by another does not wait: it may be what that one waits for.
 */
export function decideClaim(state: ExecutionState, situation: ClaimSituation): ExecutionEvent | undefined {
  if (isOutcome(state.status) || state.status === "waiting") return undefined;
  const { processId, epoch } = situation;
  const { claim, accepted } = state;
  // Past its deadline it times out: what began now would come too late.
  if (accepted.deadline <= situation.now) return undefined;
  if (situation.held) {
    // A lease was lost and taken again while the worker went on: nothing begins anew, so this is no further attempt. Where another has it
    // by now, what began here would be a second one beside the worker that is still at it.
    const isOlderLife = claim?.processId === processId && claim.epoch !== epoch;
    if (!isOlderLife) return undefined;
    return claimed(processId, epoch, claim.attempt, "its process has a new lease, and its worker went on");
  }
  const nextAttempt = state.attempts + 1;
  if (accepted.depth === 0 && isLastAfterLoss(state, nextAttempt) && situation.isAtLastAttempt()) return undefined;
  if (claim === undefined) {
    const { chosen } = accepted.route;
    const routedHere = chosen.processId === processId;
    if (routedHere) return claimed(processId, epoch, nextAttempt, "routed here");
    if (state.isForAnyone) return claimed(processId, epoch, nextAttempt, "given back for anyone");
    const leftBy = howLeft(chosen, situation);
    if (leftBy === undefined) return undefined;
    return claimed(processId, epoch, nextAttempt, `routed to ${chosen.processId}, which ${leftBy}`);
  }
  const own = claim.processId === processId && claim.epoch === epoch;
  const leftBy = own ? undefined : howLeft(claim, situation);
  if (!own && leftBy === undefined) return undefined;
  const reason = own ? "its worker is gone" : `its process ${claim.processId} ${leftBy}`;
  if (state.attempts >= accepted.maxAttempts) {
    return {
      type: "execution.failed",
      data: {
        error: {
          code: "swarm.attempts_exhausted",
          message: `Begun ${state.attempts} times, and each time its worker or process died under it (last: ${reason}).`,
          next: "Look at what the agent does to its process, then send the command again.",
          retryable: false,
        },
      },
    };
  }
  return claimed(processId, epoch, nextAttempt, reason);
}

/** Whether an attempt is the last of a task that was lost before. */
const isLastAfterLoss = ({ accepted }: ExecutionState, attempt: number): boolean =>
  attempt > 1 && attempt === accepted.maxAttempts;

/** Why a life of a process will not do what it has, or was to have; undefined where it may. */
function howLeft(
  { processId, epoch }: { readonly processId: string; readonly epoch: number },
  { isGone, isSingleton, end }: ClaimSituation,
): string | undefined {
  if (isGone(processId, epoch)) return end?.processId === processId ? end.how : "is gone";
  return isSingleton ? "runs the service no more" : undefined;
}

const claimed = (processId: string, epoch: number, attempt: number, reason: string): ExecutionEvent => ({
  type: "execution.claimed",
  data: { processId, epoch, attempt, reason },
});

export interface QueenPorts {
  readonly executions: Executions;
  readonly membership: Membership;
  readonly pool: WorkerPool;
  /** Has the pool take a claimed task, or gives its claim back unbegun. */
  handOver(task: Task): void;
  /** How a process ended that is gone, where somebody has seen it. */
  howEnded(ctx: Context, processId: string): Promise<string | undefined>;
  /** Told in a sentence of what went wrong and shows nowhere else. */
  onProblem(message: string): void;
}

/**
 * A service's queen in one process. What was claimed with its acceptance goes to the pool at once; she claims what should be done
 * here and is not: work that was routed here, work of processes and workers that are gone. She keeps nothing that the log does
 * not, so she may die at any moment.
 */
export function createQueen(service: ServiceDefinition, ports: QueenPorts) {
  const { executions, membership, pool } = ports;
  const claiming = new Set<string>();
  const { lastClaims } = executions;
  /** Whether the last sweep met failures: that is said once, not each second. */
  let failing = false;

  const handOver = (state: ExecutionState, claim: Claim): void => {
    const agent = chooseAgent(service, state.accepted.command);
    if (agent === undefined) return;
    ports.handOver({ state, claim, agent });
  };

  const isAtLastAttempt = (): boolean => {
    if (lastClaims.size > 0) return true;
    // In whatever service: what ends the process ends them all.
    for (const each of executions.open()) {
      if (each.claim?.processId === membership.processId && isLastAfterLoss(each, each.attempts)) return true;
    }
    return false;
  };

  const situationOf = (ctx: Context, executionId: string, end: RecordedEnd | undefined): ClaimSituation => ({
    now: ctx.runtime.clock.now(),
    processId: membership.processId,
    epoch: membership.epoch,
    held: pool.holds(executionId),
    isSingleton: service.singleton,
    isAtLastAttempt,
    isGone: (processId, epoch) => membership.isGone(processId, epoch),
    end,
  });

  /** What is known of the end of the process that has it, or was to have it. */
  const endOf = async (ctx: Context, { claim, accepted }: ExecutionState): Promise<RecordedEnd | undefined> => {
    const { processId, epoch } = claim ?? accepted.route.chosen;
    if (processId === membership.processId || !membership.isGone(processId, epoch)) return undefined;
    const how = await ports.howEnded(ctx, processId);
    return how === undefined ? undefined : { processId, how };
  };

  const claim = async (ctx: Context, executionId: string, end?: RecordedEnd): Promise<void> => {
    if (claiming.has(executionId) || !membership.canClaim) return;
    claiming.add(executionId);
    try {
      let own: Claim | undefined;
      const state = await executions.decide(ctx, executionId, (now) => {
        lastClaims.delete(executionId);
        const event = decideClaim(now, situationOf(ctx, executionId, end));
        own = event?.type === "execution.claimed" ? event.data : undefined;
        if (own !== undefined && isLastAfterLoss(now, own.attempt)) lastClaims.add(executionId);
        return event;
      });
      if (lastClaims.has(executionId)) sweepOnceSettled(ctx, executionId);
      if (own !== undefined && !pool.reclaim(executionId, own)) handOver(state, own);
    } finally {
      claiming.delete(executionId);
      lastClaims.delete(executionId);
    }
  };

  /** Others may wait for its end to be begun: they need not wait for the next sweep, too. */
  const sweepOnceSettled = (ctx: Context, executionId: string): void => {
    const stop = executions.onSettled(executionId, () => {
      stop();
      void sweep(rootContext(ctx.runtime));
    });
  };

  /** Claims all that should be done here and is not. Bounded by the room in the pool; the next sweep goes on. */
  const sweep = async (ctx: Context): Promise<void> => {
    const failures: unknown[] = [];
    for (const state of [...executions.open()]) {
      if (!pool.hasRoom) break;
      if (state.accepted.service !== service.name || chooseAgent(service, state.accepted.command) === undefined)
        continue;
      if (decideClaim(state, situationOf(ctx, state.executionId, undefined)) === undefined) continue;
      // One that cannot be claimed now must not keep the others from it; the next sweep comes in a second.
      await endOf(ctx, state)
        .then((end) => claim(ctx, state.executionId, end))
        .catch((error) => failures.push(error));
    }
    if (failures.length > 0 && !failing) {
      ports.onProblem(
        `${service.name} could not claim ${failures.length} of its executions and tries again each second: ${toWire(failures[0]).message}`,
      );
    }
    failing = failures.length > 0;
  };

  return { claim, sweep };
}

export type Queen = ReturnType<typeof createQueen>;

/** The context in which a swarm works on an execution: its tenant, the agent as principal, the caller's trace. */
export function workContext(ctx: Context, state: ExecutionState, agent: AgentDefinition): Context {
  return rootContext(ctx.runtime, {
    tenant: state.tenant,
    principal: `agent:${state.accepted.service}/${agent.name}`,
    traceparent: state.traceparent,
    deadline: state.accepted.deadline,
  });
}
