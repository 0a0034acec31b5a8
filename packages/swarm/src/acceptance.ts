import { createHash } from "node:crypto";
import type { Context, JsonObject, JsonValue } from "@viable/kernel";
import { canonicalJson, idFromDigest } from "@viable/kernel";
import type { NewEvent, StreamAppend } from "@viable/log";
import { startPosition } from "@viable/log";
import type { ExecutionEventData, RouteDecision } from "@viable/protocol";
import type { Grant } from "@viable/security";
import type { AgentDefinition } from "./agent.ts";
import type { ExecutionState } from "./execution.ts";
import { executionStream, foldExecution } from "./execution.ts";
import type { IntakeRequest } from "./intake-request.ts";

/** What is recorded of a command that is let in. */
export function acceptance(
  ctx: Context,
  request: IntakeRequest,
  agent: AgentDefinition,
  route: RouteDecision,
  rest: Pick<ExecutionEventData<"execution.accepted">, "depth"> & {
    executionId: string;
    bodyHash: string | undefined;
    joinKey: string | undefined;
    joinedTo: string | undefined;
  } & Pick<ExecutionEventData<"execution.accepted">, "claim" | "assigned" | "remembered" | "audit" | "approval">,
): ExecutionEventData<"execution.accepted"> {
  const { grant, parent } = request;
  const { approval } = rest;
  const resources = (grant.links ?? []).flatMap(({ restrictions }) =>
    restrictions.resources ? [restrictions.resources] : [],
  );
  const now = ctx.runtime.clock.now();
  // What a caller asks for holds, shorter or longer; a delegated task has its agent's own time, within its parent's.
  const own = now + agent.timeoutMs;
  const latest = parent === undefined ? (request.deadline ?? own) : Math.min(request.deadline ?? own, own);
  return {
    command: request.command,
    args: request.args,
    service: route.chosen.service,
    agent: agent.name,
    route,
    // What waits for a person has its own time from when it is approved; until then this is how long that may take.
    deadline: Math.min(
      approval?.until ?? latest,
      parent?.accepted.deadline ?? Number.POSITIVE_INFINITY,
      ctx.deadline ?? Number.POSITIVE_INFINITY,
    ),
    authority: {
      principal: grant.principal,
      operations: [...grant.operations],
      clientType: grant.clientType,
      ...(grant.isSessionToken && { isSessionToken: true }),
      ...(grant.denied && { denied: [...grant.denied] }),
      ...(resources.length > 0 && { resources }),
      ...(grant.shown && { capabilities: [...grant.shown] }),
    },
    ...(rest.audit !== undefined && { audit: rest.audit }),
    ...(approval !== undefined && { approval }),
    maxAttempts: agent.maxAttempts,
    depth: rest.depth,
    ...(parent !== undefined && { parentId: parent.executionId }),
    ...(rest.bodyHash !== undefined && { bodyHash: rest.bodyHash }),
    ...(rest.joinKey !== undefined && { joinKey: rest.joinKey }),
    ...(rest.joinedTo !== undefined && { joinedTo: rest.joinedTo }),
    ...(rest.remembered !== undefined && { remembered: rest.remembered }),
    ...(request.webhookUrl !== undefined && { webhookUrl: request.webhookUrl }),
    ...(rest.claim !== undefined && { claim: rest.claim }),
    ...(rest.assigned !== undefined && { assigned: rest.assigned }),
  };
}

/** An accepted task on its way into the log. */
export interface AcceptedTask {
  readonly executionId: string;
  /** Of its acceptance: a second append of the same finds the first. */
  readonly eventId: string;
  readonly data: ExecutionEventData<"execution.accepted">;
  readonly session: string | undefined;
  readonly correlation: string;
  readonly causation: string | undefined;
}

/** The append of an acceptance, with what a person is asked for, and of what is known to have come of it. */
export const toAppend = (
  { executionId, eventId, data, session, correlation, causation }: AcceptedTask,
  outcome: readonly NewEvent[] = [],
): StreamAppend => ({
  stream: executionStream(executionId),
  expected: 0,
  events: [
    { id: eventId, type: "execution.accepted", data: data as unknown as JsonObject },
    ...toRequest(data),
    ...outcome,
  ],
  session,
  correlation,
  causation,
});

const toRequest = ({ command, approval }: AcceptedTask["data"]): readonly NewEvent[] => {
  if (approval === undefined) return [];
  const { approvalId, title, until } = approval;
  return [{ type: "approval.requested", data: { approvalId, title, command, until } }];
};

/** The state of an execution that has just been appended, without asking the log for what was handed to it. */
export function justAccepted(
  ctx: Context,
  { executionId, data, session, correlation }: AcceptedTask,
  time: number,
): ExecutionState | undefined {
  return foldExecution(undefined, {
    id: "",
    stream: executionStream(executionId),
    version: 1,
    position: startPosition,
    type: "execution.accepted",
    data: data as unknown as JsonObject,
    metadata: {
      tenant: ctx.tenant,
      actor: ctx.principal,
      correlation,
      ...(session !== undefined && { session }),
      ...(ctx.traceparent !== undefined && { traceparent: ctx.traceparent }),
    },
    time,
  });
}

/** What an execution's agent may do in its caller's name: as much as was granted when it was accepted (W4). */
export function grantOf(state: ExecutionState): Grant {
  const { authority, deadline } = state.accepted;
  return {
    tokenId: state.executionId,
    tenant: state.tenant,
    principal: authority.principal,
    clientType: "agent",
    operations: authority.operations,
    sessionId: state.session,
    ...(authority.isSessionToken && { isSessionToken: true }),
    ...(authority.denied && { denied: authority.denied }),
    ...(authority.capabilities && { shown: authority.capabilities }),
    commandsPerHour: 0,
    maxConcurrent: undefined,
    expiresAt: deadline,
  };
}

/**
 * Random, or where a repeat must find the first, following from whose and which command it is. A key belongs to its session, since
 * no other may read what it stands for; a client that comes back has its session still. Outside of one it is the principal's.
 */
export function executionIdFor(ctx: Context, request: IntakeRequest): string {
  if (request.idempotencyKey === undefined) return ctx.runtime.ids.next("exe");
  const { parent } = request;
  const scope =
    parent === undefined
      ? [ctx.tenant, request.grant.principal, request.grant.sessionId ?? null, request.idempotencyKey]
      : [ctx.tenant, parent.executionId, request.command, request.args, request.idempotencyKey];
  return idFromDigest("exe", createHash("sha256").update(canonicalJson(scope)).digest());
}

/** What a repeat under the same key must equal. */
export const hashOf = (body: JsonValue): string =>
  createHash("sha256").update(canonicalJson(body)).digest("hex").slice(0, 32);
