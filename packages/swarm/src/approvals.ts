import type { Context, JsonValue } from "@viable/kernel";
import { canonicalJson, isId, ViableError } from "@viable/kernel";
import type { ExecutionEventData } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";
import type { Asks } from "@viable/security";
import type { AgentDefinition } from "./agent.ts";
import type { ExecutionState } from "./execution.ts";
import type { Executions } from "./executions.ts";
import type { IntakeOutcome, IntakeRequest } from "./intake-request.ts";
import { refuse } from "./intake-request.ts";

/**
 * What a tenant's commands may wait for at once: more than a person can look through in a day, and a tenth of the executions that a process keeps open
 * unless told otherwise, so that what nobody decides does not keep out what needs nobody.
 */
const maxWaitingApprovals = 1_000;

type Approval = NonNullable<ExecutionEventData<"execution.accepted">["approval"]>;

/** What is recorded with the acceptance of what a person is to approve. `latest` is the end of the caller's own time, of its parent's, of the context's. */
export function toApproval(
  ctx: Context,
  { request, executionId, asks }: { request: IntakeRequest; executionId: string; asks: Asks },
  agent: AgentDefinition,
): Approval {
  const { grant, parent, command } = request;
  const ends = [request.deadline, parent?.accepted.deadline, ctx.deadline].filter((end) => end !== undefined);
  const latest = ends.length === 0 ? undefined : Math.min(...ends);
  // As without an approval: what a caller asks for holds, shorter or longer; a delegated task has its agent's own time.
  const isBoundByAgent = request.deadline === undefined || parent !== undefined;
  return {
    approvalId: approvalIdOf(executionId),
    title: `${command}, asked for by ${grant.principal}`,
    until: Math.min(ctx.runtime.clock.now() + asks.timeoutMs, latest ?? Number.POSITIVE_INFINITY),
    ...(isBoundByAgent && { workMs: agent.timeoutMs }),
    ...(latest !== undefined && { latest }),
    ...(asks.approvers !== undefined && { approvers: [...asks.approvers] }),
    ...(request.process !== undefined && { isPinned: true }),
  };
}

/** An execution has one approval at most: the id of one tells the other's, so that whoever has it finds what became of it, at any time and in any process. */
export const approvalIdOf = (executionId: string): string => executionId.replace(/^exe_/, "apr_");
const executionIdOf = (approvalId: string): string => approvalId.replace(/^apr_/, "exe_");

/** The execution that asks, or asked, for an approval; undefined where none of the context's tenant does (W11): it may be a run's. */
export async function findAsking(
  ctx: Context,
  executions: Pick<Executions, "get">,
  approvalId: string,
): Promise<ExecutionState | undefined> {
  if (!isId("apr", approvalId)) return undefined;
  const state = await executions.get(ctx, executionIdOf(approvalId));
  return state?.approval?.approvalId === approvalId ? state : undefined;
}

/** Whether it waits for a person. */
export const awaitsApproval = ({ status, approval }: ExecutionState): boolean =>
  approval !== undefined && approval.decision === undefined && !isOutcome(status);

/** What a tenant's commands wait for here and now, the longest asked first. */
export const awaited = (executions: Pick<Executions, "open">, tenant: string): ExecutionState[] =>
  [...executions.open()].filter((state) => state.tenant === tenant && awaitsApproval(state));

/** Whether a tenant may ask for one more approval; held to the last one in this process, with what it is about to accept. */
export function createWaitingApprovals(executions: Pick<Executions, "open">) {
  const entering = new Map<string, number>();
  return {
    enter(tenant: string): { readonly leave: () => void } | (IntakeOutcome & { ok: false }) {
      const before = entering.get(tenant) ?? 0;
      const waiting = awaited(executions, tenant).length + before;
      if (waiting >= maxWaitingApprovals)
        return refuse("limited", "approval.too_many", `${waiting} commands wait for a person's approval.`, {
          reasons: [`${maxWaitingApprovals} may wait at once. Have some decided: viable approvals list`],
          retryAfterMs: 60_000,
        });
      entering.set(tenant, before + 1);
      let isIn = true;
      const leave = () => {
        if (!isIn) return;
        isIn = false;
        const now = (entering.get(tenant) ?? 1) - 1;
        if (now === 0) entering.delete(tenant);
        else entering.set(tenant, now);
      };
      return { leave };
    },
  };
}

/**
 * Whether a task was approved with what it is done for: the same command with the same arguments, handed on to a process by name, as one for all
 * processes is handed to each of them. Anything else that what was approved delegates is asked for by itself.
 */
export function isApprovedWith(
  { parent, command, process, args }: IntakeRequest,
  agent: Pick<AgentDefinition, "input">,
): boolean {
  if (process === undefined || parent?.approval?.decision !== "approved" || parent.accepted.command !== command)
    return false;
  const approved = agent.input.safeParse(parent.accepted.args);
  const asked = agent.input.safeParse(args);
  return approved.success && asked.success && textOfRest(approved.data) === textOfRest(asked.data);
}

/** Of all arguments but the one that names a process. */
const textOfRest = (args: unknown): string =>
  canonicalJson((typeof args === "object" && args !== null ? { ...args, process: null } : args) as JsonValue);

/** What a person says to it. */
export interface Decision {
  readonly decision: "approved" | "rejected";
  readonly by: string;
  readonly capabilities?: readonly string[] | undefined;
  readonly reason?: string | undefined;
}

/**
 * Decides what an execution waits for; answers how it stands then, decided now or before. Approved, it may be begun by any process that runs its service.
 * Throws `approval.over` where its time is up, or it was ended otherwise.
 */
export async function decideApproval(
  ctx: Context,
  executions: Pick<Executions, "decide">,
  { executionId }: Pick<ExecutionState, "executionId">,
  { decision, by, capabilities, reason }: Decision,
): Promise<ExecutionState> {
  const state = await executions.decide(ctx, executionId, (now) => {
    const { approval } = now.accepted;
    const time = ctx.runtime.clock.now();
    if (approval === undefined || !awaitsApproval(now) || approval.until <= time) return undefined;
    const said = {
      approvalId: approval.approvalId,
      by,
      ...(capabilities !== undefined && { capabilities: [...capabilities] }),
      ...(reason !== undefined && { reason }),
    };
    if (decision === "approved")
      return { type: "execution.approved", data: { ...said, deadline: deadlineOf(approval, time) } };
    const message = `${by} did not approve it${reason === undefined ? "." : `: ${reason}`}`;
    const details = { approvalId: said.approvalId, by, ...(reason !== undefined && { reason }) };
    const error = { code: "approval.rejected", message, details, retryable: false };
    return { type: "execution.failed", data: { error, rejected: said } };
  });
  if (state.approval?.decision !== undefined) return state;
  throw new ViableError(
    "approval.over",
    `Nobody waits for ${state.approval?.approvalId ?? executionId} any more: ${state.error?.message ?? "its time is up."}`,
    { next: `Look how it ended: viable executions show ${executionId}` },
  );
}

/** Until when it is to be done that was approved just now. */
const deadlineOf = ({ workMs, latest }: Approval, now: number): number =>
  Math.min(workMs === undefined ? Number.POSITIVE_INFINITY : now + workMs, latest ?? Number.POSITIVE_INFINITY);
