import { createHash, createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import type { JsonObject } from "@viable/kernel";
import { idFromDigest, ViableError } from "@viable/kernel";
import type { Restrictions } from "@viable/protocol";
import { clientType, restrictions } from "@viable/protocol";
import { z } from "zod";
import type { Authority, CapabilityTokens, OpenedCapability, Opening } from "./capability-tokens.ts";
import { maxCapabilityChars, maxLinks } from "./capability-tokens.ts";

const prefix = "vbc1";
/** 128 bits: that no two roots are equal. Their secrecy is the signature's. */
const nonceBytes = 16;
const signatureBytes = 32;

const rootLink = z.strictObject({
  issuer: z.string(),
  nonce: z.string(),
  tenant: z.string(),
  principal: z.string(),
  clientType: z.union([clientType, z.enum(["owner", "agent", "system"])]),
  restrictions,
});

/**
 * Capabilities as chains of HMACs, in the manner of macaroons (Birgisson et al., NDSS 2014): the root is signed with the issuer's key, each further
 * link with the signature before it, which the text then no longer has. So who has a capability can add to it, and take nothing away.
 *
 *     vbc1.<root>.<link>…<signature>     each a JSON object, or 32 bytes, in base64url
 *
 * What is signed is the text of a link as it stands, and not what it decodes to: two texts never pass for one. A link says nothing but restrictions,
 * all of a closed set, all of which must hold.
 */
export function createHmacChain(key: Uint8Array): CapabilityTokens {
  const root = createSecretKey(key);
  const issuer = createHmac("sha256", root).update("viable/issuer").digest("base64url").slice(0, 12);
  const signRoot = (text: string): Buffer => createHmac("sha256", root).update(`${prefix}.${text}`).digest();

  return {
    mint({ tenant, principal, clientType: kind, restrictions: narrowed }, nonce) {
      const link = { issuer, nonce: toText(nonce.subarray(0, nonceBytes)), tenant, principal, clientType: kind };
      const text = encode({ ...link, restrictions: restrictions.parse(narrowed) });
      const signature = signRoot(text);
      return { capabilityId: idOf(signature), token: [prefix, text, toText(signature)].join(".") };
    },

    attenuate(token, narrowed) {
      const parts = partsOf(token);
      if (parts === undefined) throw notAttenuable("it is no capability");
      if (parts.links.length >= maxLinks) throw notAttenuable(`it has ${maxLinks} links, and no more may follow`);
      if (isTooDeep([...restrictionsIn(parts.links), {}]))
        throw notAttenuable("it is not to be handed on so far (maxDelegations)");
      const text = encode(restrictions.parse(narrowed));
      const signature = signNext(parts.signature, text);
      const attenuated = [prefix, ...parts.links, text, toText(signature)].join(".");
      if (attenuated.length > maxCapabilityChars)
        throw notAttenuable(`it would be longer than ${maxCapabilityChars} characters`);
      return { capabilityId: idOf(signature), token: attenuated };
    },

    open(token) {
      if (token.length > maxCapabilityChars) return refused("too_long");
      const parts = partsOf(token);
      if (parts === undefined) return refused("malformed");
      const [first, ...further] = parts.links as [string, ...string[]];
      const signatures = [signRoot(first)];
      for (const text of further) signatures.push(signNext(signatures.at(-1) as Buffer, text));
      if (!timingSafeEqual(signatures.at(-1) as Buffer, parts.signature)) {
        return refused(issuerIn(first) === issuer ? "forged" : "unknown_issuer");
      }
      // Who has the key, or a capability, wrote it; what that says is still held to what is known here.
      const authority = rootLink.safeParse(decode(first));
      if (!authority.success) return refused("unknown_restriction");
      const chain: Restrictions[] = [authority.data.restrictions];
      for (const text of further) {
        const link = restrictions.safeParse(decode(text));
        if (!link.success) return refused("unknown_restriction");
        chain.push(link.data);
      }
      if (isTooDeep(chain)) return refused("too_deep");
      return { ok: true, capability: toOpened(authority.data, chain, signatures) };
    },
  };
}

/** What a capability says of itself, for whoever has it. Nobody has looked whether it is signed. Undefined where it is none of this form. */
export function readCapability(token: string): { authority: JsonObject; links: JsonObject[] } | undefined {
  const decoded = partsOf(token)?.links.map(decode);
  if (decoded === undefined || decoded.some((link) => link === undefined)) return undefined;
  const [authority, ...links] = decoded as [JsonObject, ...JsonObject[]];
  return { authority, links };
}

/** The id of a capability's last link, by which it can be revoked. Nobody has looked whether it is signed. Undefined where it is none of this form. */
export function capabilityIdOf(token: string): string | undefined {
  const parts = partsOf(token);
  return parts && idOf(parts.signature);
}

function toOpened(
  { tenant, principal, clientType: kind, restrictions: own }: z.infer<typeof rootLink>,
  chain: readonly Restrictions[],
  signatures: readonly Buffer[],
): OpenedCapability {
  const authority: Authority = { tenant, principal, clientType: kind, restrictions: own };
  return { authority, ids: signatures.map(idOf), restrictions: chain };
}

/** Whether more links follow one than it lets follow. */
function isTooDeep(chain: readonly Restrictions[]): boolean {
  return chain.some(({ maxDelegations }, index) => chain.length - 1 - index > (maxDelegations ?? maxLinks));
}

const signNext = (signature: Buffer, text: string): Buffer => createHmac("sha256", signature).update(text).digest();

/** Follows from the signature and does not lead back to it. */
const idOf = (signature: Buffer): string =>
  idFromDigest("cap", createHash("sha256").update("viable/capability-id/").update(signature).digest());

interface Parts {
  readonly links: readonly string[];
  readonly signature: Buffer;
}

function partsOf(token: string): Parts | undefined {
  if (token.length > maxCapabilityChars) return undefined;
  const parts = token.split(".", maxLinks + 3);
  const [version, ...links] = parts;
  const last = links.pop();
  if (version !== prefix || last === undefined || links.length === 0 || links.length > maxLinks) return undefined;
  const signature = Buffer.from(last, "base64url");
  // Only as it is written here: the last character of 43 has two bits that nothing is read from.
  if (signature.length !== signatureBytes || toText(signature) !== last) return undefined;
  return links.every((text) => /^[A-Za-z0-9_-]+$/.test(text)) ? { links, signature } : undefined;
}

const toText = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const encode = (link: object): string => toText(Buffer.from(JSON.stringify(link)));

function decode(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}

const issuerIn = (first: string): unknown =>
  (decode(first) as { readonly issuer?: unknown } | null | undefined)?.issuer;

/** As far as they can be read: what cannot is found when it is opened. */
const restrictionsIn = (links: readonly string[]): Restrictions[] =>
  links.map((text, index) => {
    const link = decode(text) as { readonly restrictions?: unknown } | null | undefined;
    const parsed = restrictions.safeParse(index === 0 ? link?.restrictions : link);
    return parsed.success ? parsed.data : {};
  });

const refused = (reason: (Opening & { ok: false })["reason"]): Opening => ({ ok: false, reason });

const notAttenuable = (why: string): ViableError =>
  new ViableError("security.not_attenuable", `The capability cannot be narrowed: ${why}.`);
