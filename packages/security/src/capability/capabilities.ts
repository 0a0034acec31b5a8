import type { Context, Part } from "@viable/kernel";
import { invariant } from "@viable/kernel";
import type { Log, RecordWrite } from "@viable/log";
import type { Restrictions } from "@viable/protocol";
import type { Grant, Link } from "../grant.ts";
import { follow } from "../grant.ts";
import type { Authority, CapabilityText, CapabilityTokens, OpenedCapability } from "./capability-tokens.ts";
import { createRevocations } from "./revocations.ts";

/** Capabilities that were verified, held in memory: the most recently used stay. One is about 3 kB. */
const maxKnown = 10_000;
const nonceBytes = 16;
/** Unlimited in practice, and still a number: more commands an hour than a machine can take. */
const unlimitedPerHour = 1_000_000_000;

/**
 * Bearer tokens that carry their own authority. A token is verified once and then known, until something is revoked.
 *
 * Promised: W4, whatever was narrowed on the way; what is revoked takes all with it that came of it. Not promised: that a use of a limited number is
 * left (`createUses`), or that a session that it is bound to has not ended.
 */
export interface Capabilities extends Part {
  /** A new root, under no other's authority: for whoever acts for the system. With a nonce of its own it is the same again each time. */
  mint(ctx: Context, authority: Authority, nonce?: Uint8Array): CapabilityText;
  /** The same with one link more, as its bearer could. Throws `security.not_attenuable`. */
  attenuate(token: string, restrictions: Restrictions): CapabilityText;
  /** The grant behind a token; undefined where it opens nothing. Malformed, forged, revoked and expired are one answer, so that it teaches nothing. */
  verify(ctx: Context, token: string): Grant | undefined;
  /**
   * The write that revokes a link and whatever came of it, at once or from a wall time on; undefined where too many revocations hold already.
   */
  revocation(tenant: string, capabilityId: string, expiresAt: number | null, from?: number): RecordWrite | undefined;
  /** Whether any of these links is revoked in the context's tenant, and with it whatever came of it. */
  isRevoked(ctx: Context, capabilityIds: Iterable<string>): boolean;
  /** Whether it is known what others have revoked. Where it is not, nothing of high risk is to be done on a capability's account. */
  isFresh(): boolean;
}

interface Known {
  readonly grant: Grant;
  /** How many revocations had been heard when it was looked at last. */
  asOf: number;
}

export interface CapabilitiesSettings {
  readonly log: Log;
  /** Opens the tokens' adapter, once the log can be read. */
  open(ctx: Context): Promise<CapabilityTokens>;
}

export function createCapabilities({ log, open }: CapabilitiesSettings): Capabilities {
  const revocations = createRevocations(log);
  const known = new Map<string, Known>();
  let opened: CapabilityTokens | undefined;
  const tokens = (): CapabilityTokens => {
    invariant(opened !== undefined, "W4", "a capability was asked for before the key was opened");
    return opened;
  };

  const isWorthless = ({ tenant, links = [], expiresAt }: Grant, now: number, isChecked: boolean): boolean =>
    (expiresAt !== null && expiresAt <= now) ||
    (!isChecked &&
      revocations.isRevoked(
        tenant,
        links.map(({ capabilityId }) => capabilityId),
        now,
      ));

  return {
    async start(ctx) {
      opened = await open(ctx);
      await revocations.start(ctx);
    },
    async stop(ctx) {
      known.clear();
      await revocations.stop(ctx);
    },
    mint: (ctx, authority, nonce = ctx.runtime.random.bytes(nonceBytes)) => tokens().mint(authority, nonce),
    attenuate: (token, restrictions) => tokens().attenuate(token, restrictions),
    verify(ctx, token) {
      const now = ctx.runtime.clock.now();
      const asOf = revocations.countAt(now);
      const before = known.get(token);
      if (before !== undefined) {
        known.delete(token);
        if (isWorthless(before.grant, now, before.asOf === asOf)) return undefined;
        before.asOf = asOf;
        known.set(token, before);
        return before.grant;
      }
      const opening = tokens().open(token);
      if (!opening.ok) return undefined;
      const grant = toGrant(opening.capability);
      if (isWorthless(grant, now, false)) return undefined;
      if (known.size >= maxKnown) known.delete(known.keys().next().value as string);
      known.set(token, { grant, asOf });
      return grant;
    },
    revocation: (tenant, capabilityId, expiresAt, from) =>
      revocations.revocation(tenant, capabilityId, expiresAt, from),
    isRevoked: ({ tenant, runtime }, capabilityIds) =>
      revocations.isRevoked(tenant, capabilityIds, runtime.clock.now()),
    isFresh: () => revocations.isFresh(),
  };
}

/** What all links together allow. */
function toGrant({ authority, ids, restrictions }: OpenedCapability): Grant {
  const { tenant, principal, clientType } = authority;
  const all: Grant = {
    tokenId: ids[0] as string,
    tenant,
    principal,
    clientType,
    operations: ["read", "write", "execute"],
    sessionId: undefined,
    commandsPerHour: unlimitedPerHour,
    maxConcurrent: undefined,
    expiresAt: null,
  };
  const links = ids.map((capabilityId, index): Link => ({ capabilityId, restrictions: restrictions[index] ?? {} }));
  const grant = links.reduce(follow, all);
  return Object.freeze({ ...grant, shown: ids, ...(grant.sessionId !== undefined && { isSessionToken: true }) });
}
