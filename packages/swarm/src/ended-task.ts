import type { EndedTask } from "@viable/registry";
import type { ExecutionState } from "./execution.ts";

/** Failures that are the swarm's and not its agent's: it had no worker, no thread or no database, or died under the task each time. */
const swarmFailures: ReadonlySet<string> = new Set([
  "swarm.attempts_exhausted",
  "agent.no_thread",
  "agent.threads_overloaded",
  "agent.threads_stopped",
  "log.closed",
  "log.no_space",
  "log.store_unavailable",
  "log.unavailable",
]);
/** A task that had less time than this, in milliseconds, says nothing by its end: seeing and claiming it may take a second each. */
const minFairMs = 2_000;

/**
 * What the end of a task says of the swarm that had it. Nothing where it was cancelled, where another did the work, and where it timed out
 * as it waited for others, or with less time than twice what one takes there: that was the caller's doing. Pure.
 */
export function toEndedTask(state: ExecutionState, waitedForOthers: boolean): EndedTask | undefined {
  const { accepted, status, claim, error } = state;
  const { route } = accepted;
  // Which no swarm was asked to begin.
  if (accepted.approval !== undefined && state.approval?.decision !== "approved") return undefined;
  if (status === "cancelled" || state.joinedTo !== undefined || accepted.joinedTo !== undefined) return undefined;
  const processId = claim?.processId ?? route.chosen.processId;
  const task = { key: state.executionId, service: accepted.service, processId };
  if (status === "timed_out") {
    if (waitedForOthers) return undefined;
    const givenMs = accepted.deadline - (state.approval?.decidedAt ?? state.acceptedAt);
    const meanMs = route.candidates.find((each) => each.processId === processId)?.latencyMs ?? 0;
    return givenMs >= Math.max(minFairMs, 2 * meanMs) ? { ...task, end: "timed_out" } : undefined;
  }
  return { ...task, end: status === "failed" && swarmFailures.has(error?.code ?? "") ? "failed" : "done" };
}
