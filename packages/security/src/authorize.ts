import type { Operation } from "@viable/protocol";
import type { Grant } from "./grant.ts";

/** What is to be decided on. */
export interface AuthorizationRequest {
  /** What would be done, for the reasons: a command's name or a view's. */
  readonly subject: string;
  readonly operation: Operation;
  /** How much harm it can do. `high` needs `execute` beside the operation itself. */
  readonly risk: "low" | "medium" | "high";
  /** The session that it is done in. Undefined for what concerns the tenant as a whole: a grant bound to a session may not do that. */
  readonly sessionId: string | undefined;
  readonly tenant: string;
}

/** A decision with its reasons, one line each. */
export type Authorization =
  | { readonly decision: "granted"; readonly reasons: readonly string[] }
  | { readonly decision: "denied"; readonly code: string; readonly reasons: readonly string[] };

const granted: Authorization = { decision: "granted", reasons: [] };

/**
 * Decides whether a grant allows something. Pure; the cheap checks that need no quota come first, so that a denial burns
 * none. What is unknown is denied. Approval by a person, policies per command and constraints join here when they are built.
 */
export function authorize(grant: Grant, request: AuthorizationRequest, now: number): Authorization {
  if (grant.expiresAt !== null && grant.expiresAt <= now) return deny("security.expired", "The token has expired.");
  if (grant.tenant !== request.tenant) return deny("security.denied", "The token belongs to another tenant.");
  if (grant.sessionId !== undefined && grant.sessionId !== request.sessionId) {
    const reason =
      request.sessionId === undefined
        ? `${request.subject} is the tenant's as a whole; a session's token opens that session alone.`
        : "The token belongs to another session.";
    return deny("security.denied", reason);
  }
  if (!grant.operations.includes(request.operation))
    return deny("security.denied", lacks(grant, request, request.operation));
  if (request.risk === "high" && !grant.operations.includes("execute"))
    return deny("security.denied", `It has a high risk: ${lacks(grant, request, "execute")}`);
  return granted;
}

const lacks = (grant: Grant, { subject }: AuthorizationRequest, operation: Operation): string =>
  `${subject} needs "${operation}"; a ${grant.clientType} token here allows ${grant.operations.join(", ") || "nothing"}.`;

const deny = (code: string, reason: string): Authorization => ({ decision: "denied", code, reasons: [reason] });
