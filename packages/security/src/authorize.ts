import type { JsonValue } from "@viable/kernel";
import type { Operation } from "@viable/protocol";
import { matchesAddress } from "./capability/address.ts";
import { isWithin } from "./daily-window.ts";
import type { Grant, Link } from "./grant.ts";

/** What is to be decided on. */
export interface AuthorizationRequest {
  /** What would be done, for the reasons: a command's name or a view's. */
  readonly subject: string;
  /** The same as capabilities name it: `command/NAME`, `query/NAME` or `view/NAME`. */
  readonly address: string;
  readonly operation: Operation;
  /** How much harm it can do. `high` needs `execute` beside the operation itself. */
  readonly risk: "low" | "medium" | "high";
  /** The session that it is done in. Undefined for what concerns the tenant as a whole: a grant bound to a session may not do that. */
  readonly sessionId: string | undefined;
  readonly tenant: string;
  /** The execution that is read or cancelled. Absent for anything else. */
  readonly executionId?: string;
  /** The pattern of the system's policies that blocks it, whatever a grant allows. */
  readonly blockedBy?: string | undefined;
  /** The pattern of the system's policies by which a person is to be asked before it is done. */
  readonly askedBy?: string | undefined;
  /** What a command or a query is given. */
  readonly args?: JsonValue;
}

/** A decision with its reasons, one line each. `pending`: the grant allows it, and a person must say so, too, before it is done. */
export type Authorization =
  | { readonly decision: "granted"; readonly reasons: readonly string[] }
  | { readonly decision: "pending"; readonly reasons: readonly string[] }
  | { readonly decision: "denied"; readonly code: string; readonly reasons: readonly string[] };

const granted: Authorization = { decision: "granted", reasons: [] };

/**
 * Decides whether a grant allows something. Pure; nothing here needs a quota, so that a denial burns none. What is unknown is denied.
 */
export function authorize(grant: Grant, request: AuthorizationRequest, now: number): Authorization {
  if (grant.expiresAt !== null && grant.expiresAt <= now) return deny("security.expired", "The token has expired.");
  if (grant.tenant !== request.tenant) return deny("security.denied", "The token belongs to another tenant.");
  if (request.blockedBy !== undefined)
    return deny("security.blocked", `The system's policies block ${request.blockedBy}, and so ${request.address}.`);
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
  const denied = grant.denied?.find((pattern) => matchesAddress(pattern, request.address));
  if (denied !== undefined) return deny("security.denied", `The token denies ${denied}, and so ${request.address}.`);
  for (const link of grant.links ?? []) {
    const reason = whyNot(link, request, now);
    if (reason !== undefined) return deny("security.denied", reason);
  }
  // Last, so that nobody is asked for what could not be done.
  const { askedBy, address } = request;
  if (askedBy !== undefined)
    return {
      decision: "pending",
      reasons: [`The system's policies ask a person for ${askedBy}, and so for ${address}.`],
    };
  return granted;
}

/** What of a link's restrictions speaks against it, beside those that the grant as a whole tells; undefined where nothing does. */
function whyNot({ restrictions }: Link, request: AuthorizationRequest, now: number): string | undefined {
  const { notBefore, daily, sessionId, executionId, resources, maxRequestBytes } = restrictions;
  if (notBefore !== undefined && now < notBefore)
    return `The token holds from ${new Date(notBefore).toISOString()} on.`;
  if (daily !== undefined && !isWithin(daily, now))
    return `The token holds from ${daily.from} to ${daily.to} (${daily.timeZone}).`;
  if (sessionId !== undefined && sessionId !== request.sessionId) return "The token belongs to another session.";
  if (executionId !== undefined && executionId !== request.executionId) return `The token is for ${executionId} alone.`;
  if (resources !== undefined && !resources.some((pattern) => matchesAddress(pattern, request.address)))
    return `The token is for ${resources.join(", ")}, and not for ${request.address}.`;
  if (maxRequestBytes !== undefined && request.args !== undefined) {
    const bytes = Buffer.byteLength(JSON.stringify(request.args));
    if (bytes > maxRequestBytes) return `The token allows arguments of ${maxRequestBytes} bytes; these have ${bytes}.`;
  }
  return undefined;
}

const lacks = (grant: Grant, { subject }: AuthorizationRequest, operation: Operation): string =>
  `${subject} needs "${operation}"; a ${grant.clientType} token here allows ${grant.operations.join(", ") || "nothing"}.`;

const deny = (code: string, reason: string): Authorization => ({ decision: "denied", code, reasons: [reason] });
