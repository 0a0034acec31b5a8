import type { Grant } from "@viable/security";

/** What one session's tokens may hold open of a kind, however they are narrowed: its people, with some windows each. */
const maxOfSession = 100;
/** What one token that is bound to no session may have of all, however it is narrowed: so that none takes all. */
const shareOfToken = 1 / 4;

/**
 * Whose sockets, or feeds, are counted together, and how many of all these may be. What is narrowed from a token counts with it: its bearer could make any number
 * of them.
 */
export function bearerOf(
  { sessionId, links, tokenId }: Grant,
  all: number,
): { readonly bearer: string; readonly max: number } {
  if (sessionId !== undefined) return { bearer: `session ${sessionId}`, max: maxOfSession };
  return {
    bearer: `token ${links?.[0]?.capabilityId ?? tokenId}`,
    max: Math.max(1, Math.floor(all * shareOfToken)),
  };
}
