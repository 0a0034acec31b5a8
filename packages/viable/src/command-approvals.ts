import type { JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { ApprovalView } from "@viable/protocol";
import type { OtherApproval } from "@viable/reactors";
import type { Capabilities, Policies } from "@viable/security";
import { whyNotDecide } from "@viable/security";
import type { AgentContext, Decision, ExecutionState, Executions } from "@viable/swarm";
import { awaitedApprovals, contextOf, decideApproval, findAsking } from "@viable/swarm";

/** What must be known to decide on a command that waits for a person. */
export interface CommandApprovalSources {
  executions(): Executions;
  capabilities(): Pick<Capabilities, "isRevoked">;
  readonly policies: Policies;
}

/** What a command's arguments may hold in a list, in characters of JSON; the execution shows the whole. */
const maxDetailsChars = 65_536;

/**
 * Decides on a command that waits for a person, in the name of whoever called the agent; undefined where no command asks for that approval, or none that
 * they may see. Decided before, the answer is what was said then; throws `approval.decided` where that was something else.
 *
 * Throws `approval.four_eyes` for whoever asked for it, `approval.not_an_approver` for who is not named, `approval.over` where its time is up,
 * and on a yes `approval.unauthorized` where the authority it was asked for with is gone, or the system blocks it by now.
 */
export async function decideCommand(
  ctx: AgentContext,
  { executions, capabilities, policies }: CommandApprovalSources,
  approvalId: string,
  { decision, reason }: Pick<Decision, "decision" | "reason">,
): Promise<JsonValue | undefined> {
  const callCtx = contextOf(ctx);
  const asking = await findAsking(callCtx, executions(), approvalId);
  if (asking === undefined || !maySee(ctx, asking)) return undefined;
  requireOther(ctx, asking, approvalId);
  requireNamed(ctx, asking, approvalId);
  const isOpen = asking.approval?.decision === undefined;
  if (isOpen && decision === "approved")
    requireAuthority(asking, policies, (ids) => capabilities().isRevoked(callCtx, ids));
  const said = { decision, by: ctx.principal, capabilities: ctx.authority.capabilities, reason };
  const { executionId, approval, accepted } = await decideApproval(callCtx, executions(), asking, said);
  if (approval?.decision !== decision)
    throw new ViableError("approval.decided", `${approvalId} was ${approval?.decision} by ${approval?.by} before.`, {
      next: `Look what came of it: viable executions show ${executionId}`,
      details: { approvalId, decision: approval?.decision ?? null, by: approval?.by ?? null },
    });
  return { approvalId, decision, by: approval.by ?? null, executionId, command: accepted.command };
}

/** Who has a session's own token is shown what its session asks for, and nothing else is there for it. */
const maySee = ({ authority }: AgentContext, { session }: ExecutionState): boolean =>
  authority.isSessionToken !== true || authority.sessionId === session;

function requireOther({ principal, authority }: AgentContext, asking: ExecutionState, approvalId: string): void {
  const asked = { ...asking.accepted.authority, sessionId: asking.session };
  const { capabilities, sessionId } = authority;
  const why = whyNotDecide(asked, { principal, capabilities, sessionId });
  if (why === undefined) return;
  throw new ViableError("approval.four_eyes", `${approvalId} is for another to decide. ${why}`, {
    next: "Have somebody decide it by a token of their own, which was not made of the one that asked: viable approvals decide",
  });
}

function requireNamed({ principal }: AgentContext, { accepted }: ExecutionState, approvalId: string): void {
  const named = accepted.approval?.approvers;
  if (named === undefined || named.includes(principal)) return;
  throw new ViableError(
    "approval.not_an_approver",
    `${principal} may not decide ${approvalId}: ${named.join(", ")} may.`,
    {
      next: "Who may stands in the system's policies.",
    },
  );
}

/** What is approved is done with the authority that it was asked for with: that must be worth something still. */
function requireAuthority(
  { accepted }: ExecutionState,
  policies: Policies,
  isRevoked: (capabilityIds: readonly string[]) => boolean,
): void {
  const { command, authority } = accepted;
  const { blockedBy } = policies.of(command, "medium");
  const why = isRevoked(authority.capabilities ?? [])
    ? "The token that asked for it was revoked meanwhile."
    : blockedBy === undefined
      ? undefined
      : `The system's policies block ${blockedBy} by now.`;
  if (why !== undefined)
    throw new ViableError("approval.unauthorized", `"${command}" may not be done any more. ${why}`, {
      next: "Reject it, or leave it to its time.",
    });
}

/** What a tenant's commands ask persons for, as the list of approvals shows it: the whole command, as it will be done. */
export function commandApprovals(executions: Pick<Executions, "open">, tenant: string): OtherApproval[] {
  return awaitedApprovals(executions, tenant).flatMap((state) => {
    const { approval, session } = state;
    return approval === undefined ? [] : [{ askedAt: approval.askedAt, session, view: () => toView(state, approval) }];
  });
}

function toView(
  { executionId, accepted, acceptedAt, session }: ExecutionState,
  { approvalId, title, until }: NonNullable<ExecutionState["approval"]>,
): ApprovalView {
  const { command, args, service, authority, audit, approval } = accepted;
  const details = { command, args };
  const isSmall = JSON.stringify(details).length <= maxDetailsChars;
  return {
    approvalId,
    title,
    ...(isSmall ? { details } : { areDetailsOmitted: true }),
    executionId,
    command,
    service,
    ...(audit !== undefined && { risk: audit.risk, policies: audit.policies }),
    principal: authority.principal,
    ...(session !== undefined && { sessionId: session }),
    ...(approval?.approvers !== undefined && { approvers: approval.approvers }),
    askedAt: new Date(acceptedAt).toISOString(),
    untilAt: new Date(until).toISOString(),
  };
}
