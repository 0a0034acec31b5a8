import type { ErrorOnTheWire, JsonValue } from "@viable/kernel";
import type { Position, StoredEvent, StreamFold } from "@viable/log";
import type {
  Claim,
  ExecutionEventData,
  ExecutionEventType,
  ExecutionStatus,
  ExecutionView,
  Progress,
  UndecodableExecutionView,
} from "@viable/protocol";
import { isOutcome } from "@viable/protocol";

/**
 * An execution: the fold of its stream.
 *
 * States: pending (accepted, not claimed) → running (claimed, also with its acceptance and for another process) → one outcome: completed |
 * failed | cancelled | timed_out (W5).
 * waiting (for a person's approval) → pending when it is approved → …; → failed when it is rejected, → timed_out when nobody has said anything in time.
 * running → running when a claim is retaken because its process or worker is gone. running → pending when it is given back by a
 * process that stops in order. waiting (joined to equal work) → an outcome
 * with the work it joined, or → pending when that was cancelled or ran out of time.
 */
export interface ExecutionState {
  readonly executionId: string;
  /** Version of the stream, which the next event must expect. */
  readonly version: number;
  readonly status: ExecutionStatus;
  readonly tenant: string;
  readonly session: string | undefined;
  readonly correlation: string;
  readonly traceparent: string | undefined;
  readonly accepted: ExecutionEventData<"execution.accepted">;
  readonly acceptedAt: number;
  readonly claim: Claim | undefined;
  /** Given back by a process that does not do it any more: any may claim it that runs the service, wherever it was routed to. */
  readonly isForAnyone: boolean;
  /** How often it was begun, as far as is known, and not given back. */
  readonly attempts: number;
  readonly joinedTo: string | undefined;
  /** That a person was asked, and what was said; absent where none was. */
  readonly approval?: Approval;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly progress: Progress | undefined;
  readonly result: JsonValue | undefined;
  readonly error: ErrorOnTheWire | undefined;
}

/** What a person was asked for before an execution was begun. */
interface Approval {
  readonly approvalId: string;
  readonly title: string;
  /** Wall time in milliseconds up to which it could be decided. */
  readonly until: number;
  /** Where in the log it was asked for. */
  readonly askedAt: Position;
  /** Undefined as long as nobody has said anything. */
  readonly decision?: "approved" | "rejected";
  readonly by?: string;
  readonly reason?: string;
  readonly decidedAt?: number;
}

/** What is known of an execution an event of which cannot be brought to the shape of today. */
export interface UndecodableExecution {
  readonly executionId: string;
  readonly session: string | undefined;
  readonly acceptedAt: number;
  readonly reason: string;
}

/** An event of an execution, typed. */
type AnyEvent = {
  [T in ExecutionEventType]: { readonly type: T; readonly data: ExecutionEventData<T> };
}[ExecutionEventType];
/** One that comes after its acceptance. */
export type ExecutionEvent = Exclude<AnyEvent, { readonly type: "execution.accepted" }>;

const streamPrefix = "execution:";

export const executionStream = (executionId: string): string => streamPrefix + executionId;
export const executionIdOf = (stream: string): string => stream.slice(streamPrefix.length);
export const isExecutionStream = (stream: string): boolean => stream.startsWith(streamPrefix);

/** The state after one more event. Events after the outcome change nothing: there is only one (W5). */
export function foldExecution(state: ExecutionState | undefined, stored: StoredEvent): ExecutionState | undefined {
  const event = { type: stored.type, data: stored.data } as unknown as AnyEvent;
  if (event.type === "execution.accepted") {
    const { claim = event.data.assigned, joinedTo, approval } = event.data;
    const isWaiting = joinedTo !== undefined || approval !== undefined;
    return {
      executionId: executionIdOf(stored.stream),
      version: stored.version,
      status: isWaiting ? "waiting" : claim !== undefined ? "running" : "pending",
      tenant: stored.metadata.tenant,
      session: stored.metadata.session,
      correlation: stored.metadata.correlation ?? executionIdOf(stored.stream),
      traceparent: stored.metadata.traceparent,
      accepted: event.data,
      acceptedAt: stored.time,
      claim,
      isForAnyone: false,
      attempts: claim?.attempt ?? 0,
      joinedTo,
      ...(approval !== undefined && {
        approval: {
          approvalId: approval.approvalId,
          title: approval.title,
          until: approval.until,
          askedAt: stored.position,
        },
      }),
      startedAt: claim === undefined ? undefined : stored.time,
      endedAt: undefined,
      progress: undefined,
      result: undefined,
      error: undefined,
    };
  }
  return state === undefined || isOutcome(state.status) ? state : foldNext(state, event, stored.version, stored.time);
}

/** The state of what has no outcome yet after one more event, at its version, of that wall time. */
export function foldNext(state: ExecutionState, event: ExecutionEvent, version: number, time: number): ExecutionState {
  const next = { ...state, version };
  switch (event.type) {
    case "approval.requested":
      return next;
    case "execution.approved":
      return {
        ...next,
        ...decided(state, "approved", event.data, time),
        status: "pending",
        // Who it was routed to may be gone by now, or busy: whoever runs the service may take it.
        isForAnyone: state.accepted.approval?.isPinned !== true,
        accepted: { ...state.accepted, deadline: event.data.deadline },
      };
    case "execution.claimed":
      return {
        ...next,
        status: "running",
        claim: event.data,
        attempts: event.data.attempt,
        startedAt: state.startedAt ?? time,
      };
    case "execution.released":
      return {
        ...next,
        status: "pending",
        claim: undefined,
        isForAnyone: state.isForAnyone || event.data.leaves === true,
        attempts: Math.max(0, state.attempts - 1),
      };
    case "execution.rejoined":
      return {
        ...next,
        status: event.data.joinedTo === undefined ? "pending" : "waiting",
        joinedTo: event.data.joinedTo,
      };
    case "execution.progressed":
      return { ...next, progress: event.data };
    case "execution.completed":
      return { ...next, status: "completed", result: event.data.result, endedAt: time };
    case "execution.failed":
      return {
        ...next,
        ...(event.data.rejected !== undefined && decided(state, "rejected", event.data.rejected, time)),
        status: "failed",
        error: event.data.error,
        endedAt: time,
      };
    case "execution.cancelled":
      return { ...next, status: "cancelled", error: cancelled(event.data.by, event.data.reason), endedAt: time };
    case "execution.timed_out":
      return { ...next, status: "timed_out", error: timedOut(state, event.data.deadline), endedAt: time };
  }
}

/** For executions of many events, most of them progress. */
export const executionFold: StreamFold<ExecutionState> = { name: "execution", version: 3, fold: foldExecution };

/** Whether whoever holds this claim may still speak for the execution: nobody has retaken it, and it has no outcome. */
export function holdsClaim(state: ExecutionState, claim: Claim): boolean {
  return (
    !isOutcome(state.status) &&
    state.claim?.processId === claim.processId &&
    state.claim.epoch === claim.epoch &&
    state.claim.attempt === claim.attempt
  );
}

const cancelled = (by: string, reason: string): ErrorOnTheWire => ({
  code: "execution.cancelled",
  message: `Cancelled by ${by}: ${reason}.`,
  retryable: true,
});

function decided(
  { approval }: ExecutionState,
  decision: "approved" | "rejected",
  { by, reason }: { readonly by: string; readonly reason?: string | undefined },
  decidedAt: number,
): Pick<ExecutionState, "approval"> {
  if (approval === undefined) return {};
  return { approval: { ...approval, decision, by, ...(reason !== undefined && { reason }), decidedAt } };
}

const timedOut = ({ approval }: ExecutionState, deadline: number): ErrorOnTheWire =>
  approval === undefined || approval.decision !== undefined
    ? outOfTime(deadline)
    : {
        code: "approval.timed_out",
        message: `Nobody had decided ${approval.approvalId} by ${new Date(deadline).toISOString()}.`,
        next: "Send it again when somebody is there who decides: viable approvals list",
        retryable: false,
      };

const outOfTime = (deadline: number): ErrorOnTheWire => ({
  code: "execution.timed_out",
  message: `No outcome by its deadline, ${new Date(deadline).toISOString()}.`,
  next: "Send it again with a later deadline (deadlineMs), or ask for less.",
  retryable: true,
});

const toTime = (ms: number): string => new Date(ms).toISOString();

/** The same of one that cannot be told whole. */
export function toUndecodableView({
  executionId,
  session,
  acceptedAt,
  reason,
}: UndecodableExecution): UndecodableExecutionView {
  return {
    executionId,
    ...(session !== undefined && { sessionId: session }),
    acceptedAt: toTime(acceptedAt),
    undecodable: reason,
  };
}

/** What is asked of a person, and what was said. */
function toApprovalMembers({
  status,
  approval,
  accepted,
}: ExecutionState): Pick<ExecutionView, "waitingFor" | "approval"> {
  if (approval === undefined) return status === "waiting" ? { waitingFor: "equal_work" } : {};
  const { approvalId, title, until, decision, by, reason, decidedAt } = approval;
  const approvers = accepted.approval?.approvers;
  const asked = { approvalId, title, untilAt: toTime(until), ...(approvers !== undefined && { approvers }) };
  return {
    ...(status === "waiting" && { waitingFor: { for: "approval", ...asked } }),
    approval: {
      ...asked,
      ...(decision !== undefined && { decision }),
      ...(by !== undefined && { by }),
      ...(reason !== undefined && { reason }),
      ...(decidedAt !== undefined && { decidedAt: toTime(decidedAt) }),
    },
  };
}

/** The execution as clients see it. */
export function toExecutionView(state: ExecutionState): ExecutionView {
  const { accepted } = state;
  return {
    executionId: state.executionId,
    command: accepted.command,
    status: state.status,
    ...toApprovalMembers(state),
    service: accepted.service,
    agent: accepted.agent,
    args: accepted.args,
    ...(state.progress !== undefined && { progress: state.progress }),
    ...(state.result !== undefined && { result: state.result }),
    ...(state.error !== undefined && { error: state.error }),
    attempts: state.attempts,
    ...(state.session !== undefined && { sessionId: state.session }),
    ...(accepted.parentId !== undefined && { parentId: accepted.parentId }),
    correlationId: state.correlation,
    ...(state.joinedTo !== undefined && { joinedTo: state.joinedTo }),
    principal: accepted.authority.principal,
    acceptedAt: toTime(state.acceptedAt),
    ...(state.startedAt !== undefined && { startedAt: toTime(state.startedAt) }),
    ...(state.endedAt !== undefined && { endedAt: toTime(state.endedAt) }),
    deadlineAt: toTime(accepted.deadline),
  };
}
