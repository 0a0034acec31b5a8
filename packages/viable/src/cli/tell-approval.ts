import type { ExecutionView } from "@viable/protocol";
import { toPlainLine } from "./plain-text.ts";

/** How what a person is asked for is decided. */
export const howToDecide = (approvalId: string): string => `viable approvals decide ${approvalId} yes|no`;

/** Who may decide what an execution waits for, and how; undefined where it waits for no person. */
export function tellApproval({ executionId, waitingFor }: ExecutionView): string | undefined {
  if (typeof waitingFor !== "object") return undefined;
  const { approvalId, title, untilAt, approvers } = waitingFor;
  return [
    `${executionId} waits for a person until ${untilAt}: ${title}`,
    `Decide: ${howToDecide(approvalId)}`,
    `${approvers === undefined ? "Somebody else has to" : `One of ${approvers.join(", ")} has to`}, by a token that was not made of the one that asked.`,
  ]
    .map((line) => `${toPlainLine(line)}\n`)
    .join("");
}
