import type { Grant } from "./grant.ts";
import { createTextSigner } from "./text-signer.ts";

/**
 * How many signed grants are remembered as known, so that a caller's next question costs no signature: some 500 bytes each, 5 MB, and rarely more. When there are
 * as many, all are forgotten and looked at again as they come.
 */
const maxKnown = 10_000;
/**
 * What a grant takes, in characters, with room to spare: of the longest token there may be, its links once as they are and once folded. What is longer is
 * none of ours, and is not looked at.
 */
const maxChars = 16_384;

/** Grants on their way from one process of a system to another, signed with the key that only its processes have. */
export interface SignedGrants {
  /** The grant as text that nobody without the key can have made. A grant is signed once, however often it is sent. */
  sign(grant: Grant): string;
  /** The grant, as it was signed; undefined where the text is none, or was made or changed by somebody without the key. */
  read(text: string): Grant | undefined;
}

/**
 * Promised: what `read` answers was signed by a process of this system, unchanged (W4). Not promised: that it is fresh. Whoever can listen on the
 * way can send it again, until the grant expires: who may listen there is the bus' business (credentials, TLS), and what is asked by it is
 * authorised anew where it arrives.
 */
export function createSignedGrants(key: Uint8Array): SignedGrants {
  const signed = new WeakMap<Grant, string>();
  const known = new Map<string, Grant>();

  const signer = createTextSigner(key);
  const verify = (text: string): Grant | undefined => {
    const dot = text.lastIndexOf(".");
    if (dot < 0 || text.length > maxChars) return undefined;
    const body = text.slice(0, dot);
    if (!signer.isSigned(body, text.slice(dot + 1))) return undefined;
    // Whoever has the key wrote a grant: its shape is what this release, or one near it, writes.
    return Object.freeze(JSON.parse(body)) as Grant;
  };

  return {
    sign(grant) {
      const before = signed.get(grant);
      if (before !== undefined) return before;
      const body = JSON.stringify(grant);
      const text = `${body}.${signer.sign(body)}`;
      signed.set(grant, text);
      return text;
    },
    read(text) {
      const before = known.get(text);
      if (before !== undefined) return before;
      const grant = verify(text);
      if (grant === undefined) return undefined;
      if (known.size >= maxKnown) known.clear();
      known.set(text, grant);
      return grant;
    },
  };
}
