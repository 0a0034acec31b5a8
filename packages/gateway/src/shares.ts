import type { Context } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { SessionJoined, SessionShared, ShareSession } from "@viable/protocol";
import type { CapabilityRegister } from "@viable/security";
import type { Authenticated } from "./receive.ts";
import type { Session } from "./sessions.ts";

/** How often a session may be joined by shares: each is an event of it. */
const maxJoins = 1_000;

export type Sharing =
  | { readonly ok: true; readonly shared: SessionShared }
  | { readonly ok: false; readonly reason: "mismatch" };

/** Lets further clients into a session, with less authority than whoever lets them in, and never more (W4). */
export interface Shares {
  /** With a key, a repeat finds the first. Throws `security.not_attenuable`. */
  share(who: Authenticated, session: Session, request: ShareSession, key?: string): Promise<Sharing>;
  /** Tells the session that somebody has joined by a share of it; undefined where what was shown is none. Throws `gateway.too_many_joined`. */
  join(ctx: Context, who: Authenticated, session: Session): Promise<SessionJoined | undefined>;
}

export interface SharesSettings {
  readonly log: Log;
  readonly register: Pick<CapabilityRegister, "mint">;
}

export function createShares({ log, register }: SharesSettings): Shares {
  return {
    async share({ ctx, grant, token }, session, { maxOperations, expiresInMs, readOnly, label }, key) {
      const minted = await register.mint(
        ctx,
        { grant, token },
        {
          expiresInMs,
          sessionId: session.sessionId,
          // Two who have one share are one client: it can be handed on whole, and not made into several.
          maxDelegations: 0,
          ...(maxOperations !== undefined && { maxUses: maxOperations }),
          ...(readOnly && { operations: ["read"] }),
          ...(label !== undefined && { label }),
        },
        key === undefined ? undefined : `share ${session.sessionId} ${key}`,
      );
      return minted.ok ? { ok: true, shared: minted.minted } : minted;
    },
    async join(ctx, { grant }, { sessionId }) {
      const share = grant.links?.at(-1);
      if (share?.restrictions.maxDelegations !== 0 || share.restrictions.sessionId !== sessionId) return undefined;
      const { capabilityId, restrictions } = share;
      const data = {
        capabilityId,
        by: ctx.principal,
        ...(restrictions.label !== undefined && { label: restrictions.label }),
      };
      const stream = `session-clients:${sessionId}`;
      const [last] = await log.readStream(ctx, stream, { direction: "backward", limit: 1 });
      if ((last?.version ?? 0) >= maxJoins)
        throw new ViableError("gateway.too_many_joined", `The session was joined ${maxJoins} times.`, {
          next: "Open another one. Whoever has joined has not to do it again.",
        });
      const outcome = await log.append(ctx, {
        streams: [{ stream, expected: "any", events: [{ type: "session.joined", data }], session: sessionId }],
      });
      if (!outcome.ok)
        throw new ViableError("gateway.session_not_recorded", `It could not be recorded: ${outcome.reason}.`, {
          retryable: true,
        });
      return {
        sessionId,
        operations: [...grant.operations],
        eventsUrl: `/v1/sessions/${sessionId}/events`,
        expiresAt: new Date(grant.expiresAt ?? 0).toISOString(),
      };
    },
  };
}
