import type { UndeliveredTask } from "@viable/registry";
import type { IntakeOutcome, IntakeRequest } from "./intake-request.ts";

/** Which kind of dead letter a refusal makes of a task. What is overloaded, denied or malformed is none: whoever asked mends that. */
const deadLetterKinds: { readonly [code: string]: UndeliveredTask["kind"] } = {
  "registry.no_swarm": "unroutable",
  "registry.refused": "unroutable",
  "intake.unknown_command": "unroutable",
  "intake.unknown_service": "unroutable",
  "intake.too_deep": "too_many_hops",
  "intake.past_deadline": "past_deadline",
};

/** What is kept of a task that was refused, where it is worth it. A name that a client has mistyped is not: it was told. Pure. */
export function toUndelivered(
  { command, service, parent, depth = 0, grant }: IntakeRequest,
  { code, message, reasons }: IntakeOutcome & { ok: false },
): UndeliveredTask | undefined {
  const kind = deadLetterKinds[code];
  if (kind === undefined || (parent === undefined && code.startsWith("intake.unknown_"))) return undefined;
  return {
    command,
    kind,
    code,
    reason: [message, ...reasons].join(" "),
    depth: parent === undefined ? depth : parent.accepted.depth + 1,
    ...(service !== undefined && { service }),
    ...(parent !== undefined && { parentId: parent.executionId }),
    session: grant.sessionId,
    correlation: parent?.correlation,
  };
}
