import type { Operation } from "@viable/protocol";
import type { Grant } from "./grant.ts";

/** What is to be decided on. */
export interface AuthorizationRequest {
  /** What would be done, for the reasons: a command's name or a view's. */
  readonly subject: string;
  readonly operation: Operation;
  readonly risk: "low" | "medium" | "high";
  /** The session that it is done in, where it is done in one. */
  readonly sessionId?: string | undefined;
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
  if (grant.sessionId !== undefined && request.sessionId !== undefined && grant.sessionId !== request.sessionId) {
    return deny("security.denied", "The token belongs to another session.");
  }
  if (!grant.operations.includes(request.operation)) {
    return deny(
      "security.denied",
      `${request.subject} needs "${request.operation}"; a ${grant.clientType} token here allows ${grant.operations.join(", ") || "nothing"}.`,
    );
  }
  return granted;
}

const deny = (code: string, reason: string): Authorization => ({ decision: "denied", code, reasons: [reason] });
