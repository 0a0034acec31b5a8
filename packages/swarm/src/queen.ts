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
  isGone(processId: string, epoch: number): boolean;
}

/**
 * Whether an execution may be claimed here and now, and as what. Pure (W8): the same state and situation, the same answer. It
 * may be claimed where nobody has (and it was routed here, or to a process that is gone, or was given back for anyone), where its process is gone, where it is
 * this process's own and no worker has it any more, or where a worker has it under a lease that was lost meanwhile. What one
 * process at a time runs has moved here from wherever it was routed to or begun: a process that lives on does it no more.
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

/** Why a life of a process will not do what it has, or was to have; undefined where it may. */
function howLeft(
  { processId, epoch }: { readonly processId: string; readonly epoch: number },
  { isGone, isSingleton }: ClaimSituation,
): string | undefined {
  if (isGone(processId, epoch)) return "is gone";
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
  /** Whether the last sweep met failures: that is said once, not each second. */
  let failing = false;

  const handOver = (state: ExecutionState, claim: Claim): void => {
    const agent = chooseAgent(service, state.accepted.command);
    if (agent === undefined) return;
    ports.handOver({ state, claim, agent });
  };

  const situationOf = (ctx: Context, executionId: string): ClaimSituation => ({
    now: ctx.runtime.clock.now(),
    processId: membership.processId,
    epoch: membership.epoch,
    held: pool.holds(executionId),
    isSingleton: service.singleton,
    isGone: (processId, epoch) => membership.isGone(processId, epoch),
  });

  const claim = async (ctx: Context, executionId: string): Promise<void> => {
    if (claiming.has(executionId) || !membership.canClaim) return;
    claiming.add(executionId);
    try {
      let own: Claim | undefined;
      const state = await executions.decide(ctx, executionId, (now) => {
        const event = decideClaim(now, situationOf(ctx, executionId));
        own = event?.type === "execution.claimed" ? event.data : undefined;
        return event;
      });
      if (own !== undefined && !pool.reclaim(executionId, own)) handOver(state, own);
    } finally {
      claiming.delete(executionId);
    }
  };

  /** Claims all that should be done here and is not. Bounded by the room in the pool; the next sweep goes on. */
  const sweep = async (ctx: Context): Promise<void> => {
    const failures: unknown[] = [];
    for (const state of [...executions.open()]) {
      if (!pool.hasRoom) break;
      if (state.accepted.service !== service.name || chooseAgent(service, state.accepted.command) === undefined)
        continue;
      if (decideClaim(state, situationOf(ctx, state.executionId)) === undefined) continue;
      // One that cannot be claimed now must not keep the others from it; the next sweep comes in a second.
      await claim(ctx, state.executionId).catch((error) => failures.push(error));
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
