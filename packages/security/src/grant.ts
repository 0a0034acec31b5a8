import type { ClientType, Operation, Restrictions } from "@viable/protocol";

/** A link of the capability that a grant comes by. */
export interface Link {
  readonly capabilityId: string;
  readonly restrictions: Restrictions;
}

/** What a bearer may do. Made once, at verification, and only ever narrowed (W4). */
export interface Grant {
  /** The last link of its capability; of what comes by none, whatever counts its commands. */
  readonly tokenId: string;
  readonly tenant: string;
  /** Who acts, as it stands in every event: `owner`, `session:ses_…`, `agent:tools/complexity`. */
  readonly principal: string;
  readonly clientType: ClientType | "owner" | "agent" | "system";
  readonly operations: readonly Operation[];
  /** The session it is bound to; undefined for the owner's own token. */
  readonly sessionId: string | undefined;
  /** It is of that session's own token, which opens no other. Absent where a token that opens more acts in a session. */
  readonly isSessionToken?: true;
  readonly commandsPerHour: number;
  readonly maxConcurrent: number | undefined;
  /** Wall time in milliseconds after which it is worth nothing; null for ever. */
  readonly expiresAt: number | null;
  /** Addresses that may not be asked for, by its bearer or by whatever is done for it. */
  readonly denied?: readonly string[];
  /** The capability it comes by, the root first. All restrictions of all links hold. Absent where none was shown: an agent's, the system's. */
  readonly links?: readonly Link[];
  /**
   * The ids of the links that were shown, the root first; of an agent's grant, for what it acts. They decide nothing: they say whose it is, to whoever
   * looks it up, and where two must not be the same. Absent where nothing was shown: what acts for the system.
   */
  readonly shown?: readonly string[];
}

/** The base authority of a kind of client. */
export interface ClientLimits {
  readonly operations: readonly Operation[];
  readonly commandsPerHour: number;
  readonly maxConcurrent?: number;
}

/**
 * What a session of each kind of client may do unless the config says otherwise. People at a screen send few commands and none of
 * high risk; scripts and programs do the work of many.
 */
export const baseClientLimits: Readonly<Record<ClientType, ClientLimits>> = {
  cli: { operations: ["read", "write", "execute"], commandsPerHour: 1_000 },
  web: { operations: ["read", "write"], commandsPerHour: 500, maxConcurrent: 10 },
  api: { operations: ["read", "write", "execute"], commandsPerHour: 10_000 },
};

/** What is to be left of a grant. */
export interface Narrowing
  extends Partial<Pick<Grant, "operations" | "sessionId" | "commandsPerHour" | "maxConcurrent" | "expiresAt">> {
  /** The agent that acts with it from here on, such as `agent:tools/complexity`. Nobody else's name can be taken: it would open what is theirs. */
  readonly principal?: string;
  /** What it is handed to. Never the owner or the system. */
  readonly clientType?: ClientType | "agent";
  /** What may not be asked for from here on either. */
  readonly denied?: readonly string[];
}

/**
 * The same grant with less in it: operations only intersect, numbers and times only fall, and what would be more is left as it
 * was. A number that is none, or has no end, stands for 0: unknown means no.
 */
export function attenuate(grant: Grant, to: Narrowing): Grant {
  return {
    tokenId: grant.tokenId,
    tenant: grant.tenant,
    principal: to.principal?.startsWith("agent:") === true ? to.principal : grant.principal,
    clientType: to.clientType ?? grant.clientType,
    operations:
      to.operations === undefined ? grant.operations : grant.operations.filter((each) => to.operations?.includes(each)),
    // A grant bound to a session stays bound to it.
    sessionId: grant.sessionId ?? to.sessionId,
    ...(grant.isSessionToken && { isSessionToken: true }),
    commandsPerHour: least(grant.commandsPerHour, to.commandsPerHour) ?? 0,
    maxConcurrent: least(grant.maxConcurrent, to.maxConcurrent),
    expiresAt: least(grant.expiresAt, to.expiresAt) ?? null,
    ...((grant.denied ?? to.denied) && { denied: [...(grant.denied ?? []), ...(to.denied ?? [])] }),
    // It was let in by these. What an agent does for its caller is bound by what stands above, and by no list of what may be asked for at the door.
    ...(grant.links && to.clientType !== "agent" && { links: grant.links }),
    ...(grant.shown && { shown: grant.shown }),
  };
}

/** The grant with one more link of its capability, whose restrictions hold from there on beside those before. */
export function follow(grant: Grant, link: Link): Grant {
  const { operations, sessionId, clientType, commandsPerHour, maxConcurrent, expiresAt, denied } = link.restrictions;
  const narrowed = attenuate(grant, {
    ...(operations !== undefined && { operations }),
    ...(sessionId !== undefined && { sessionId }),
    ...(clientType !== undefined && { clientType }),
    ...(commandsPerHour !== undefined && { commandsPerHour }),
    ...(maxConcurrent !== undefined && { maxConcurrent }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(denied !== undefined && { denied }),
  });
  return {
    ...narrowed,
    tokenId: link.capabilityId,
    links: [...(grant.links ?? []), link],
  };
}

/** The lower of two bounds, either of which may be absent; undefined where both are. */
function least(...bounds: (number | null | undefined)[]): number | undefined {
  const given = bounds.flatMap((bound) => (bound == null ? [] : [Number.isFinite(bound) ? bound : 0]));
  return given.length === 0 ? undefined : Math.min(...given);
}
