import type { JsonObject } from "@viable/kernel";
import type { Restrictions } from "@viable/protocol";
import type { CapabilityText } from "@viable/security";
import { capabilityIdOf, createHmacChain, readCapability } from "@viable/security";
import { wrongUsage } from "./exit-status.ts";

/** What a token says of itself. */
export interface InspectedToken {
  readonly capabilityId: string;
  readonly authority: JsonObject;
  readonly links: readonly JsonObject[];
}

/** Any: narrowing takes none. */
const noKey = new Uint8Array(32);

/** A token that allows less. Throws `security.not_attenuable`. */
export const narrowToken = (token: string, restrictions: Restrictions): CapabilityText =>
  createHmacChain(noKey).attenuate(token, restrictions);

/** Throws `cli.usage` where it is none. Nobody has looked whether it is signed. */
export function inspectToken(token: string): InspectedToken {
  const read = readCapability(token);
  const capabilityId = capabilityIdOf(token);
  if (read === undefined || capabilityId === undefined)
    throw wrongUsage("That is no capability.", "A token begins with vbc1. and is one line.");
  return { capabilityId, ...read };
}
