/** Whoever asked for something, or would decide on it. */
export interface Party {
  /** Who acts: `owner`, `user:ada`, `agent:tools/complexity`. */
  readonly principal: string;
  /** The capability that was shown, its links' ids, the root first; absent where none is known. */
  readonly capabilities?: readonly string[] | undefined;
  readonly sessionId?: string | undefined;
}

/** Whose name is on the token of whoever runs the system, and on all that was narrowed from it: a program's as well as a person's. */
const owner = "owner";

/**
 * Why one may not decide on what another has asked for: four eyes, so that no token approves what it asks for itself. Undefined where nothing speaks
 * against it. Pure; what is unknown speaks against it.
 *
 * Refused are the session that it was asked in; the token that asked, and whatever was narrowed from it, since its bearer could have done that; and the same
 * account, by whichever of its log-ins or keys. The owner's name alone is no account: tokens are narrowed from the owner's for programs, and what one of those
 * asks for the owner may decide.
 */
export function whyNotDecide(asked: Party, decider: Party): string | undefined {
  if (asked.sessionId !== undefined && asked.sessionId === decider.sessionId)
    return `It was asked for in ${asked.sessionId}, and is to be decided outside of it.`;
  const root = asked.capabilities?.[0];
  const leaf = asked.capabilities?.at(-1);
  if (decider.capabilities === undefined) return "By which token it is decided is not known.";
  if (leaf !== undefined && decider.capabilities.includes(leaf))
    return "It is decided by the token that asked for it, or by one that was made of that.";
  const isSameAccount =
    asked.principal === decider.principal || (root !== undefined && decider.capabilities[0] === root);
  if (isSameAccount && (decider.principal !== owner || root === undefined))
    return `It was asked for by ${decider.principal} too, and another must decide.`;
  return undefined;
}
