import type { Restrictions } from "@viable/protocol";
import type { Grant } from "../grant.ts";

/** The first link of a capability: who acts, where, and within which limits. Only who has the key makes one. */
export interface Authority {
  readonly tenant: string;
  /** Who acts, as it stands in every event. */
  readonly principal: string;
  readonly clientType: Grant["clientType"];
  readonly restrictions: Restrictions;
}

/** A capability's text was made by an issuer that is known, and narrowed since by whoever had it. */
export interface OpenedCapability {
  readonly authority: Authority;
  /** The ids of the links, the first the root's: each names one link and whatever comes of it, and opens nothing. */
  readonly ids: readonly string[];
  /** What each link restricts, in the same order. */
  readonly restrictions: readonly Restrictions[];
}

/** Why a text is no capability: for logs and people who inspect their own; a client is told nothing. */
export type Unopened = "malformed" | "too_long" | "unknown_issuer" | "forged" | "unknown_restriction" | "too_deep";

export type Opening =
  | { readonly ok: true; readonly capability: OpenedCapability }
  | { readonly ok: false; readonly reason: Unopened };

/** A capability as text, and the id of its last link. */
export interface CapabilityText {
  readonly capabilityId: string;
  readonly token: string;
}

/** How many links a capability has at most, the root's among them: an owner's, a session's, and what is handed on from there. */
export const maxLinks = 12;
/** Longer than that it goes into no header that is safe with all proxies, in characters. */
export const maxCapabilityChars = 6_000;

/**
 * The port of capability tokens: text that carries its own authority, and which its bearer can narrow without asking anybody.
 *
 * Promised by every adapter (`testing/capability-contract.ts`): what opens was made by `mint` with this key and narrowed only by `attenuate`, bit by
 * bit; from a narrowed one the wider cannot be had back; a restriction that is not known is refused. Not promised: that it is not revoked, or that its
 * time has not come; that is for whoever knows the time and the revocations (`createCapabilities`).
 */
export interface CapabilityTokens {
  /** A new root. No two are equal, even of the same authority. */
  mint(authority: Authority, nonce: Uint8Array): CapabilityText;
  /**
   * The same capability and one link more. Needs no key. The same restrictions of the same text give the same one again. Throws
   * `security.not_attenuable` where it is no capability, has as many links as there may be, or says that it is not to be handed on.
   */
  attenuate(token: string, restrictions: Restrictions): CapabilityText;
  open(token: string): Opening;
}
