import type { ErrorOnTheWire } from "@viable/kernel";
import type { EventView, ExecutionEventData, ExecutionStatus, OutcomeStatus, Progress } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";

/** One execution as it stands in a picture of its tree. */
export interface TreeNode {
  readonly executionId: string;
  readonly parentId: string | undefined;
  readonly command: string;
  readonly service: string;
  readonly status: ExecutionStatus;
  readonly progress: Progress | undefined;
  /** Above 1 where it was begun again after a worker or a process was lost. */
  readonly attempt: number;
  readonly acceptedMs: number;
  readonly endedMs: number | undefined;
  readonly error: ErrorOnTheWire | undefined;
  /** What a person was asked before it began; absent where none was. */
  readonly approvalId?: string;
}

/** An execution and what it has delegated, in the order in which they were accepted. */
export type ExecutionTree = ReadonlyMap<string, TreeNode>;

const streamPrefix = "execution:";

/** The execution that an event is about; undefined for events about something else. */
export const executionOf = (event: EventView): string | undefined =>
  event.stream.startsWith(streamPrefix) ? event.stream.slice(streamPrefix.length) : undefined;

/** The outcome that an event gives an execution; undefined for events that leave it open, and for those about something else. */
export function outcomeOf({ type }: EventView): OutcomeStatus | undefined {
  if (!type.startsWith("execution.")) return undefined;
  const status = type.slice("execution.".length) as ExecutionStatus;
  return isOutcome(status) ? status : undefined;
}

/**
 * The tree after one more event. Events that are not about executions change nothing; of one that cannot be brought to the shape of today
 * only its type is believed, which says that an execution has ended.
 */
export function foldTree(tree: ExecutionTree, event: EventView): ExecutionTree {
  const executionId = executionOf(event);
  if (executionId === undefined) return tree;
  const node = foldNode(tree.get(executionId), executionId, event);
  return node === undefined ? tree : new Map(tree).set(executionId, node);
}

function foldNode(node: TreeNode | undefined, executionId: string, event: EventView): TreeNode | undefined {
  const timeMs = Date.parse(event.time);
  const isDecoded = event.undecodable === undefined;
  if (event.type === "execution.accepted") {
    if (!isDecoded) return undefined;
    const data = event.data as unknown as ExecutionEventData<"execution.accepted">;
    const claim = data.claim ?? data.assigned;
    return {
      executionId,
      parentId: data.parentId,
      command: data.command,
      service: data.service,
      status:
        data.joinedTo !== undefined || data.approval !== undefined
          ? "waiting"
          : claim !== undefined
            ? "running"
            : "pending",
      progress: undefined,
      attempt: claim?.attempt ?? 0,
      acceptedMs: timeMs,
      endedMs: undefined,
      error: undefined,
      ...(data.approval !== undefined && { approvalId: data.approval.approvalId }),
    };
  }
  if (node === undefined || node.endedMs !== undefined) return undefined;
  const outcome = outcomeOf(event);
  if (outcome !== undefined) {
    const error = outcome === "failed" && isDecoded ? (event.data.error as unknown as ErrorOnTheWire) : undefined;
    return { ...node, status: outcome, endedMs: timeMs, error };
  }
  if (!isDecoded) return undefined;
  switch (event.type) {
    case "execution.approved":
      return { ...node, status: "pending" };
    case "execution.claimed":
      return { ...node, status: "running", attempt: Number(event.data.attempt) };
    case "execution.released":
      // Whoever takes it begins at the beginning, and this try does not count.
      return { ...node, status: "pending", progress: undefined, attempt: Math.max(0, node.attempt - 1) };
    case "execution.rejoined":
      return { ...node, status: event.data.joinedTo === undefined ? "pending" : "waiting" };
    case "execution.progressed":
      return { ...node, progress: event.data as unknown as Progress };
    default:
      return undefined;
  }
}
