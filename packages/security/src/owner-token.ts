import type { Context } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { MintedToken, Tokens } from "./tokens.ts";

/** Unlimited in practice, and still a number: more commands an hour than a machine can take. */
const ownerCommandsPerHour = 1_000_000_000;

/** Mints the owner's token: everything, in one tenant, for ever, until its record is deleted. */
export async function mintOwnerToken(ctx: Context, log: Log, tokens: Tokens): Promise<MintedToken> {
  const minted = tokens.mint(ctx, {
    tenant: ctx.tenant,
    principal: "owner",
    clientType: "owner",
    operations: ["read", "write", "execute"],
    sessionId: undefined,
    commandsPerHour: ownerCommandsPerHour,
    maxConcurrent: undefined,
    expiresAt: null,
  });
  const outcome = await log.append(ctx, { records: [minted.record] });
  if (!outcome.ok) {
    throw new ViableError("security.not_minted", `The owner token could not be recorded: ${outcome.reason}.`, {
      retryable: true,
    });
  }
  return minted;
}
