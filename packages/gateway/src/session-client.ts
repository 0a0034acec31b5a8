import type { PresentClient } from "@viable/protocol";
import type { Grant } from "@viable/security";
import type { Session } from "./sessions.ts";

/**
 * The capability that stands for a client in a session, however it narrows it: the one that was shared with it and cannot be handed on, else the session's own,
 * else the root of what opens more.
 */
export function clientIn(session: Session, { links, tokenId }: Grant): string {
  const last = links?.at(-1);
  if (last?.restrictions.maxDelegations === 0 && last.capabilityId !== session.created.tokenId)
    return last.capabilityId;
  const own = links?.find(({ capabilityId }) => capabilityId === session.created.tokenId);
  return own?.capabilityId ?? links?.[0]?.capabilityId ?? tokenId;
}

/** As who follows a session is shown to its other clients. */
export const toPresentClient = (grant: Grant, now: number, via: PresentClient["via"]): PresentClient => ({
  clientType: grant.clientType,
  principal: grant.principal,
  since: new Date(now).toISOString(),
  via,
});
