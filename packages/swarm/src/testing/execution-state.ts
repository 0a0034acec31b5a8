import type { ExecutionState } from "../execution.ts";

/** An execution for a test: pending, routed to the process `here`, with a second to its deadline at time 0; but for what is given. */
export function executionState(parts: Partial<ExecutionState> & { routedTo?: string; parentId?: string } = {}) {
  const { routedTo = "here", parentId, ...rest } = parts;
  const state: ExecutionState = {
    executionId: "exe_1",
    version: 1,
    status: "pending",
    tenant: "default",
    session: undefined,
    correlation: "exe_1",
    traceparent: undefined,
    accepted: {
      command: "work",
      args: {},
      service: "s",
      agent: "a",
      route: {
        capability: "work",
        policy: "least-loaded",
        chosen: { service: "s", processId: routedTo, epoch: 1 },
        reason: "",
        candidates: [],
      },
      deadline: 1_000,
      authority: { principal: "owner", operations: [], clientType: "cli" },
      maxAttempts: 3,
      depth: 0,
      ...(parentId !== undefined && { parentId }),
    },
    acceptedAt: 0,
    claim: undefined,
    isForAnyone: false,
    attempts: parts.claim?.attempt ?? 0,
    joinedTo: undefined,
    startedAt: undefined,
    endedAt: undefined,
    progress: undefined,
    result: undefined,
    error: undefined,
    ...rest,
  };
  return state;
}
