import type { ClientType } from "@viable/protocol";
import type { Grant, Link } from "@viable/security";
import type { AgentContext } from "@viable/swarm";

/** The authority of whoever called an agent, as a grant to decide on. Its rates were spent at the door and are not asked again. */
export function callerGrant({ tenant, principal, authority, deadline, executionId }: AgentContext): Grant {
  return {
    tokenId: executionId,
    tenant,
    principal,
    clientType: authority.clientType as ClientType,
    operations: authority.operations,
    sessionId: authority.sessionId,
    ...(authority.isSessionToken && { isSessionToken: true }),
    ...(authority.denied && { denied: authority.denied }),
    ...(authority.resources && { links: authority.resources.map(toLink) }),
    ...(authority.capabilities && { shown: authority.capabilities }),
    commandsPerHour: 0,
    maxConcurrent: undefined,
    expiresAt: deadline,
  };
}

/** Of its capability, what says what may be asked for. */
const toLink = (resources: readonly string[]): Link => ({
  capabilityId: "",
  restrictions: { resources: [...resources] },
});
