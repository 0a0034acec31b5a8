import { createHash } from "node:crypto";
import type { Context } from "@viable/kernel";
import { canonicalJson, ViableError } from "@viable/kernel";
import type { AppendOutcome, Log, NewEvent, Position, RecordWrite, StoredEvent } from "@viable/log";
import type {
  CapabilityEventData,
  CapabilityMinted,
  CapabilityView,
  MintCapability,
  Restrictions,
} from "@viable/protocol";
import type { Grant } from "../grant.ts";
import type { Capabilities } from "./capabilities.ts";

const stream = (capabilityId: string): string => `capability:${capabilityId}`;
const keyPrefix = "security/minted/";
/** How long a key finds what was minted under it, in milliseconds. */
const keyKeptMs = 24 * 3_600_000;
const nonceBytes = 12;
/** A capability is minted and may be revoked: two events. Whoever revokes it again writes none. */
const maxEvents = 10;

export type Minting =
  | { readonly ok: true; readonly minted: CapabilityMinted }
  /** The key stands for a capability that was asked for otherwise. */
  | { readonly ok: false; readonly reason: "mismatch" };

/** Which capability is revoked, by whom and why. */
export interface Revocation {
  readonly capabilityId: string;
  readonly reason?: string | undefined;
  /** When it ends by itself, in milliseconds of wall time, where whoever revokes it knows: what was not minted here is not known to end. */
  readonly expiresAt?: number | undefined;
}

/** What is recorded of capabilities: those that were minted here, and those that were revoked. What bearers narrow by themselves is not. */
export interface CapabilityRegister {
  /** Narrows the token of whoever asks, as they could themselves, and records it. Throws `security.not_attenuable`. */
  mint(ctx: Context, bearer: { grant: Grant; token: string }, request: MintCapability, key?: string): Promise<Minting>;
  /** Revokes a link and whatever came of it, in the context's tenant. Revoking it again changes nothing. Throws `security.too_many_revocations`. */
  revoke(ctx: Context, revocation: Revocation): Promise<CapabilityView>;
  find(ctx: Context, capabilityId: string): Promise<CapabilityView | undefined>;
  /** The session that it was minted in; undefined where in none, or not here. */
  sessionOf(ctx: Context, capabilityId: string): Promise<string | undefined>;
  /** Those minted here, the latest first; of one session where it is named. */
  list(
    ctx: Context,
    options: { readonly limit: number; readonly before?: Position | undefined; readonly session?: string | undefined },
  ): Promise<{ readonly capabilities: readonly CapabilityView[]; readonly next?: Position }>;
}

export function createCapabilityRegister(log: Log, capabilities: Capabilities): CapabilityRegister {
  const load = (ctx: Context, capabilityId: string): Promise<readonly StoredEvent[]> =>
    log.readStream(ctx, stream(capabilityId), { limit: maxEvents });
  const own = (ctx: Context, events: readonly StoredEvent[]): readonly StoredEvent[] =>
    events.filter(({ metadata }) => metadata.tenant === ctx.tenant);
  const view = (ctx: Context, capabilityId: string, events: readonly StoredEvent[]): CapabilityView => {
    const minted = dataOf<"capability.minted">(events, "capability.minted");
    const revoked = dataOf<"capability.revoked">(events, "capability.revoked");
    const parents = minted?.data.parents ?? [];
    const isRevoked = revoked !== undefined || capabilities.isRevoked(ctx, [capabilityId, ...parents]);
    const expiresAt = minted?.data.expiresAt ?? revoked?.data.expiresAt;
    const isExpired = expiresAt !== undefined && expiresAt <= ctx.runtime.clock.now();
    return {
      capabilityId,
      status: isExpired ? "expired" : isRevoked ? "revoked" : "active",
      ...(minted !== undefined && {
        principal: minted.data.principal,
        restrictions: minted.data.restrictions,
        mintedAt: new Date(minted.time).toISOString(),
      }),
      parents,
      ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt).toISOString() }),
      ...(revoked !== undefined && {
        revokedAt: new Date(revoked.time).toISOString(),
        revokedBy: revoked.data.by,
        ...(revoked.data.reason !== undefined && { reason: revoked.data.reason }),
      }),
    };
  };
  const write = (
    ctx: Context,
    capabilityId: string,
    event: NewEvent,
    session: string | undefined,
    records: RecordWrite[],
  ) =>
    log.append(ctx, {
      streams: [{ stream: stream(capabilityId), expected: "any", events: [event], session }],
      records,
    });

  return {
    async mint(ctx, { grant, token }, { expiresInMs, ...request }, key) {
      const now = Math.floor(ctx.runtime.clock.now());
      const scope = key === undefined ? undefined : digestOf([ctx.tenant, grant.tokenId, key]);
      const narrow = (expiresAt: number) => {
        const nonce = scope ?? Buffer.from(ctx.runtime.random.bytes(nonceBytes)).toString("base64url");
        const restrictions: Restrictions = {
          ...request,
          expiresAt: Math.min(expiresAt, grant.expiresAt ?? expiresAt),
          nonce,
        };
        return { restrictions, ...capabilities.attenuate(token, restrictions) };
      };
      const answer = ({ restrictions, capabilityId, token: text }: ReturnType<typeof narrow>): Minting => {
        const expiresAt = new Date(restrictions.expiresAt ?? now).toISOString();
        return { ok: true, minted: { capabilityId, token: text, expiresAt } };
      };
      const made = narrow(now + expiresInMs);
      const asked = digestOf({ ...request, expiresInMs });
      const data: CapabilityEventData<"capability.minted"> = {
        parents: (grant.links ?? []).map(({ capabilityId }) => capabilityId),
        principal: grant.principal,
        restrictions: made.restrictions,
        expiresAt: made.restrictions.expiresAt ?? now,
      };
      const event: NewEvent = { type: "capability.minted", data: data as never };
      const kept: RecordWrite[] =
        scope === undefined
          ? []
          : [{ key: keyPrefix + scope, value: { asked, now }, expected: 0, expiresAt: now + keyKeptMs }];
      const outcome = await write(ctx, made.capabilityId, event, grant.sessionId, kept);
      if (outcome.ok) return answer(made);
      if (outcome.reason !== "record_conflict" || scope === undefined) throw notRecorded(outcome);
      // The first under this key: what was narrowed then follows from when that was.
      const first = (await log.getRecord(ctx, keyPrefix + scope))?.value as { asked: string; now: number } | undefined;
      if (first === undefined) throw notRecorded(outcome);
      return first.asked === asked ? answer(narrow(first.now + expiresInMs)) : { ok: false, reason: "mismatch" };
    },
    async revoke(ctx, { capabilityId, reason, expiresAt }) {
      const before = own(ctx, await load(ctx, capabilityId));
      const known = view(ctx, capabilityId, before);
      if (known.revokedAt !== undefined) return known;
      const ends = dataOf<"capability.minted">(before, "capability.minted")?.data.expiresAt ?? expiresAt;
      const record = capabilities.revocation(ctx.tenant, capabilityId, ends ?? null);
      if (record === undefined)
        throw new ViableError("security.too_many_revocations", "So many revocations hold that no more fit in memory.", {
          next: "Revoke one that this one came from: that takes all that came of it. Or wait until revoked ones have ended by themselves.",
        });
      const data: CapabilityEventData<"capability.revoked"> = {
        by: ctx.principal,
        ...(reason !== undefined && { reason }),
        ...(ends !== undefined && { expiresAt: ends }),
      };
      const session = before[0]?.metadata.session;
      const outcome = await write(ctx, capabilityId, { type: "capability.revoked", data: data as never }, session, [
        record,
      ]);
      if (!outcome.ok) throw notRecorded(outcome);
      return view(ctx, capabilityId, own(ctx, await load(ctx, capabilityId)));
    },
    async find(ctx, capabilityId) {
      const events = own(ctx, await load(ctx, capabilityId));
      return events.length === 0 ? undefined : view(ctx, capabilityId, events);
    },
    async sessionOf(ctx, capabilityId) {
      const minted = own(ctx, await load(ctx, capabilityId)).find(({ type }) => type === "capability.minted");
      return minted?.metadata.session;
    },
    async list(ctx, { limit, before, session }) {
      const page = await log.readAllPage(ctx, {
        direction: "backward",
        limit,
        ...(before !== undefined && { from: before }),
        filter: { tenant: ctx.tenant, types: ["capability.minted"], ...(session !== undefined && { session }) },
      });
      const found = await Promise.all(
        page.events.map(async ({ stream: name }) => {
          const capabilityId = name.slice("capability:".length);
          return view(ctx, capabilityId, own(ctx, await load(ctx, capabilityId)));
        }),
      );
      const last = page.events.at(-1);
      return { capabilities: found, ...(!page.isEnd && last !== undefined && { next: last.position }) };
    },
  };
}

function dataOf<T extends "capability.minted" | "capability.revoked">(
  events: readonly StoredEvent[],
  type: T,
): { readonly data: CapabilityEventData<T>; readonly time: number } | undefined {
  const event = events.find((each) => each.type === type);
  return event && { data: event.data as unknown as CapabilityEventData<T>, time: event.time };
}

const digestOf = (value: unknown): string =>
  createHash("sha256")
    .update(canonicalJson(value as never))
    .digest("base64url")
    .slice(0, 22);

const notRecorded = (outcome: AppendOutcome & { readonly ok: false }): ViableError =>
  new ViableError("security.not_recorded", `It could not be recorded: ${outcome.reason}.`, { retryable: true });
