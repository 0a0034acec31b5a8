import type { JsonValue } from "@viable/kernel";
import { isId, ViableError } from "@viable/kernel";
import type { CapabilityRegister } from "@viable/security";
import type { AgentDefinition } from "@viable/swarm";
import { agent, contextOf } from "@viable/swarm";
import { z } from "zod";

/**
 * The command that revokes a capability. Whoever has a session's own token revokes those that were minted in that session; any other it is told
 * of as one that is not there.
 */
export const capabilityCommands = (register: () => CapabilityRegister): AgentDefinition[] => [
  agent({
    name: "capability-revoke",
    capability: "capability.revoke",
    description: "Revokes a capability and whatever was narrowed from it, everywhere, within a second.",
    // It takes away only; the worst is that somebody has to ask for a new one.
    risk: "medium",
    input: z.strictObject({
      capabilityId: z.string().refine((id) => isId("cap", id), {
        error: "must be the id of a capability, such as viable capability inspect prints",
      }),
      reason: z.string().min(1).max(500).optional(),
      expiresAt: z
        .number()
        .int()
        .min(0)
        .max(Number.MAX_SAFE_INTEGER)
        .optional()
        .describe("When it would end by itself, where it was not minted here; the revocation is kept for ever without"),
    }),
    handle: async (ctx, { capabilityId, reason, expiresAt }) => {
      const { isSessionToken, sessionId } = ctx.authority;
      if (isSessionToken === true && (await register().sessionOf(contextOf(ctx), capabilityId)) !== sessionId)
        throw new ViableError("security.capability_not_found", `There is no ${capabilityId} of this session.`, {
          next: "A session's token revokes what was minted in that session.",
        });
      return (await register().revoke(contextOf(ctx), { capabilityId, reason, expiresAt })) as unknown as JsonValue;
    },
  }),
];
