import type { ClientType, Operation } from "@viable/protocol";

/** What the bearer of a token may do. Made once, at verification, and only ever narrowed (W4). */
export interface Grant {
  readonly tokenId: string;
  readonly tenant: string;
  /** Who acts, as it stands in every event: `owner`, `session:ses_…`, `agent:tools/complexity`. */
  readonly principal: string;
  readonly clientType: ClientType | "owner" | "agent" | "system";
  readonly operations: readonly Operation[];
  /** The session it is bound to; undefined for the owner's own token. */
  readonly sessionId: string | undefined;
  readonly commandsPerHour: number;
  readonly maxConcurrent: number | undefined;
  /** Wall time in milliseconds after which it is worth nothing; null for ever. */
  readonly expiresAt: number | null;
}

/** The base authority of a kind of client. */
export interface ClientLimits {
  readonly operations: readonly Operation[];
  readonly commandsPerHour: number;
  readonly maxConcurrent?: number;
}

/** The seed's base capabilities by client type (arbor-integration-patterns, "Security Integration"). */
export const baseClientLimits: Readonly<Record<ClientType, ClientLimits>> = {
  cli: { operations: ["read", "write", "execute"], commandsPerHour: 1_000 },
  web: { operations: ["read", "write"], commandsPerHour: 500, maxConcurrent: 10 },
  api: { operations: ["read", "write", "execute"], commandsPerHour: 10_000 },
};

/** The same grant with less in it: operations only intersect, numbers and times only fall. */
export function attenuate(
  grant: Grant,
  to: Partial<
    Pick<
      Grant,
      "principal" | "clientType" | "operations" | "sessionId" | "commandsPerHour" | "maxConcurrent" | "expiresAt"
    >
  >,
): Grant {
  const least = (a: number | null | undefined, b: number | null | undefined) =>
    Math.min(a ?? Number.POSITIVE_INFINITY, b ?? Number.POSITIVE_INFINITY);
  const maxConcurrent = least(grant.maxConcurrent, to.maxConcurrent);
  const expiresAt = least(grant.expiresAt, to.expiresAt);
  return {
    tokenId: grant.tokenId,
    tenant: grant.tenant,
    principal: to.principal ?? grant.principal,
    clientType: to.clientType ?? grant.clientType,
    operations:
      to.operations === undefined ? grant.operations : grant.operations.filter((each) => to.operations?.includes(each)),
    // A grant bound to a session stays bound to it.
    sessionId: grant.sessionId ?? to.sessionId,
    commandsPerHour: least(grant.commandsPerHour, to.commandsPerHour),
    maxConcurrent: Number.isFinite(maxConcurrent) ? maxConcurrent : undefined,
    expiresAt: Number.isFinite(expiresAt) ? expiresAt : null,
  };
}
