import type { Context } from "@viable/kernel";
import type { Capabilities } from "./capability/capabilities.ts";
import type { CapabilityText } from "./capability/capability-tokens.ts";

/** Mints the owner's token: everything, in the context's tenant, for ever, until it is revoked. */
export const mintOwnerToken = (ctx: Context, capabilities: Capabilities): CapabilityText =>
  capabilities.mint(ctx, { tenant: ctx.tenant, principal: "owner", clientType: "owner", restrictions: {} });
