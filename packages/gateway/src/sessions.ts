import { createHash } from "node:crypto";
import type { Context } from "@viable/kernel";
import { canonicalJson, idFromDigest, isId, ViableError, withContext } from "@viable/kernel";
import type { Log, NewEvent, StoredEvent } from "@viable/log";
import type {
  ClientType,
  CreateSession,
  GrantView,
  Restrictions,
  SessionEventData,
  SessionStatus,
  SessionView,
} from "@viable/protocol";
import type { Capabilities, ClientLimits, Grant } from "@viable/security";
import { attenuate, follow } from "@viable/security";

/**
 * A session: the fold of its stream.
 *
 * States: initialising (no client has sent it anything yet) → active ⇄ suspended (nothing new may be begun in it; what was begun goes on, and is followed) →
 * ended (told so); from each → expired (by time).
 */
export interface Session {
  readonly sessionId: string;
  readonly tenant: string;
  readonly version: number;
  readonly created: SessionEventData<"session.created">;
  readonly createdAt: number;
  readonly isActivated: boolean;
  readonly suspended: Suspension | undefined;
  readonly endedAt: number | undefined;
}

interface Suspension {
  readonly at: number;
  readonly by: string;
  readonly reason: string | undefined;
}

/** Twelve hours: a working day and its evening. Who stays longer opens another. */
const sessionMs = 12 * 3_600_000;
/** Its status changes seldom, and by people: whoever loses against as many others is told so. */
const maxChangeTries = 5;
/** Sessions remembered in memory; others are read from their streams. */
const maxCached = 10_000;

const sessionStream = (sessionId: string): string => `session:${sessionId}`;

/** Who opens a session, and the capability that the session's own follows from. */
export interface Opener {
  readonly grant: Grant;
  readonly token: string;
}

/** A session and its token; or no session, because the key stands for one that was asked for otherwise. */
export type OpenedSession =
  | { readonly ok: true; readonly session: Session; readonly token: string }
  | { readonly ok: false; readonly reason: "mismatch" };

/** Opens, finds and ends sessions. They are streams: any gateway on the same log serves any session. */
export interface Sessions {
  /** With a key, a repeat with the same token finds the first session and is given its token again. Throws `security.not_attenuable`. */
  create(ctx: Context, opener: Opener, request: CreateSession, key?: string): Promise<OpenedSession>;
  /** The session, if it is there and the grant may use it: its own token, or an unbound one of the same principal. */
  find(ctx: Context, grant: Grant, sessionId: string): Promise<Session | undefined>;
  list(ctx: Context, limit: number): Promise<Session[]>;
  /** Notes that a client changes something in it, the first time: what only reads or follows is not recorded. Not waited for, since nothing depends on it: what is not noted now is noted the next time. */
  noteUse(ctx: Context, session: Session): void;
  /** Keeps anything new from being begun in it. One that is suspended already, or over, stays as it is. */
  suspend(ctx: Context, session: Session, reason: string | undefined): Promise<Session>;
  /** Lets it go on. One that is not suspended, or over, stays as it is. */
  resume(ctx: Context, session: Session): Promise<Session>;
  end(ctx: Context, session: Session, reason: string): Promise<Session>;
}

export interface SessionsSettings {
  readonly log: Log;
  readonly capabilities: Pick<Capabilities, "attenuate">;
  readonly clientLimits: Readonly<Record<ClientType, ClientLimits>>;
}

export function createSessions({ log, capabilities, clientLimits }: SessionsSettings): Sessions {
  const cache = new Map<string, { readonly session: Session; forget(): void }>();
  /** Sessions whose first use is being noted: one append each, however many clients begin at once. */
  const noting = new Set<string>();

  /**
   * Remembers the session that `find` brings, until its stream goes on. It listens before it looks: an end from another gateway
   * that arrives while it looks would otherwise be missed, and what it found be remembered for good.
   */
  const remember = async <T extends Session | undefined>(sessionId: string, find: () => Promise<T>): Promise<T> => {
    let heardVersion = 0;
    let remembered: Session | undefined;
    const forget = () => {
      unlisten();
      if (cache.get(sessionId)?.forget === forget) cache.delete(sessionId);
    };
    const unlisten = log.onStream(sessionStream(sessionId), ({ version }) => {
      heardVersion = Math.max(heardVersion, version);
      if (remembered !== undefined && heardVersion > remembered.version) forget();
    });
    try {
      const session = await find();
      const known = cache.get(sessionId);
      if (session === undefined || heardVersion > session.version || (known?.session.version ?? 0) >= session.version)
        return session;
      known?.forget();
      if (cache.size >= maxCached) cache.values().next().value?.forget();
      remembered = session;
      cache.set(sessionId, { session, forget });
      return session;
    } finally {
      if (remembered === undefined) unlisten();
    }
  };
  const load = async (ctx: Context, sessionId: string): Promise<Session | undefined> => {
    const session = foldSession(await log.readStream(ctx, sessionStream(sessionId), { limit: 100 }));
    return session?.tenant === ctx.tenant ? session : undefined;
  };
  const read = (ctx: Context, sessionId: string) => remember(sessionId, () => load(ctx, sessionId));

  /** Appends what is decided of the session as it is, and decides anew where another gateway was first. */
  const change = async (
    ctx: Context,
    known: Session,
    decide: (session: Session) => NewEvent | undefined,
  ): Promise<Session> => {
    let session = known;
    for (let tries = 0; tries < maxChangeTries; tries++) {
      const event = decide(session);
      if (event === undefined) return session;
      const { sessionId, version } = session;
      const outcome = await log.append(ctx, {
        streams: [{ stream: sessionStream(sessionId), expected: version, events: [event], session: sessionId }],
      });
      if (!outcome.ok && outcome.reason !== "conflict") throw notRecorded(outcome.reason);
      cache.get(sessionId)?.forget();
      session = (await read(ctx, sessionId)) ?? session;
      if (outcome.ok) return session;
    }
    throw notRecorded("conflict");
  };

  return {
    async create(ctx, { grant: parent, token }, request, key) {
      const limits = clientLimits[request.clientType];
      const expiresAt = Math.min(
        Math.floor(ctx.runtime.clock.now()) + sessionMs,
        parent.expiresAt ?? Number.POSITIVE_INFINITY,
      );
      const sessionId = key === undefined ? ctx.runtime.ids.next("ses") : sessionIdFor(parent, key);
      const grant = attenuate(parent, { ...limits, clientType: request.clientType, sessionId, expiresAt });
      const asked: Omit<SessionEventData<"session.created">, "tokenId"> = {
        clientType: request.clientType,
        ...(request.purpose !== undefined && { purpose: request.purpose }),
        principal: parent.principal,
        capabilities: toGrantView(grant),
        expiresAt,
      };
      const narrow = (to: typeof asked) => capabilities.attenuate(token, toRestrictions(sessionId, to));
      const created: SessionEventData<"session.created"> = { ...asked, tokenId: narrow(asked).capabilityId };
      const appendOrFind = async (): Promise<Session> => {
        const outcome = await log.append(ctx, {
          streams: [
            {
              stream: sessionStream(sessionId),
              expected: 0,
              events: [{ type: "session.created", data: created }],
              session: sessionId,
            },
          ],
        });
        if (outcome.ok) {
          const createdAt = ctx.runtime.clock.now();
          return { ...opened(sessionId, ctx.tenant, created, createdAt), version: 1 };
        }
        const first = outcome.reason === "conflict" ? await load(ctx, sessionId) : undefined;
        if (first === undefined) throw notRecorded(outcome.reason);
        return first;
      };
      const session = await remember(sessionId, appendOrFind);
      const { clientType, purpose } = session.created;
      return clientType === request.clientType && purpose === request.purpose
        ? { ok: true, session, token: narrow(session.created).token }
        : { ok: false, reason: "mismatch" };
    },
    async find(ctx, grant, sessionId) {
      if (!isId("ses", sessionId)) return undefined;
      if (grant.sessionId !== undefined && grant.sessionId !== sessionId) return undefined;
      const session = cache.get(sessionId)?.session ?? (await read(ctx, sessionId));
      return session?.tenant === grant.tenant && session.created.principal === grant.principal ? session : undefined;
    },
    async list(ctx, limit) {
      const events = await log.readAll(ctx, {
        direction: "backward",
        limit,
        filter: { tenant: ctx.tenant, types: ["session.created"] },
      });
      const sessions = await Promise.all(events.map((event) => read(ctx, event.stream.slice("session:".length))));
      return sessions.filter((session) => session !== undefined);
    },
    noteUse(ctx, session) {
      const { sessionId } = session;
      if (session.isActivated || noting.has(sessionId) || !isOpen(session, ctx.runtime.clock.now())) return;
      noting.add(sessionId);
      change(asTenant(ctx, session), session, (now) =>
        now.isActivated ? undefined : { type: "session.activated", data: { by: ctx.principal } },
      )
        .catch(() => undefined)
        .finally(() => noting.delete(sessionId));
    },
    suspend: (ctx, session, reason) =>
      change(asTenant(ctx, session), session, (now) =>
        now.suspended !== undefined || !isOpen(now, ctx.runtime.clock.now())
          ? undefined
          : { type: "session.suspended", data: { by: ctx.principal, ...(reason !== undefined && { reason }) } },
      ),
    resume: (ctx, session) =>
      change(asTenant(ctx, session), session, (now) =>
        now.suspended === undefined || !isOpen(now, ctx.runtime.clock.now())
          ? undefined
          : { type: "session.resumed", data: { by: ctx.principal } },
      ),
    end: (ctx, session, reason) =>
      change(asTenant(ctx, session), session, (now) =>
        now.endedAt === undefined ? { type: "session.ended", data: { by: ctx.principal, reason } } : undefined,
      ),
  };
}

/** Follows from whose session it is and under which key, so that a repeat finds the first. */
function sessionIdFor(parent: Grant, key: string): string {
  const digest = createHash("sha256")
    .update(canonicalJson([parent.tenant, parent.tokenId, key]))
    .digest();
  return idFromDigest("ses", digest);
}

const opened = (
  sessionId: string,
  tenant: string,
  created: SessionEventData<"session.created">,
  createdAt: number,
): Omit<Session, "version"> => ({
  sessionId,
  tenant,
  created,
  createdAt,
  isActivated: false,
  suspended: undefined,
  endedAt: undefined,
});

const asTenant = (ctx: Context, { tenant }: Session): Context => withContext(ctx, { tenant });

function foldSession(events: readonly StoredEvent[]): Session | undefined {
  let session: Session | undefined;
  for (const event of events) {
    if (event.type === "session.created") {
      const created = event.data as unknown as SessionEventData<"session.created">;
      const sessionId = event.stream.slice("session:".length);
      session = { ...opened(sessionId, event.metadata.tenant, created, event.time), version: event.version };
    } else if (session !== undefined) {
      session = { ...session, version: event.version, ...changed(event) };
    }
  }
  return session;
}

/** What an event changes of a session. */
function changed(event: StoredEvent): Partial<Session> {
  switch (event.type) {
    case "session.activated":
      return { isActivated: true };
    case "session.suspended": {
      const { by, reason } = event.data as unknown as SessionEventData<"session.suspended">;
      return { suspended: { at: event.time, by, reason } };
    }
    case "session.resumed":
      return { suspended: undefined };
    case "session.ended":
      return { endedAt: event.time };
    default:
      return {};
  }
}

export function isOpen(session: Session, now: number): boolean {
  return session.endedAt === undefined && session.created.expiresAt > now;
}

function toGrantView(grant: Grant): GrantView {
  return {
    operations: [...grant.operations],
    commandsPerHour: grant.commandsPerHour,
    ...(grant.maxConcurrent !== undefined && { maxConcurrent: grant.maxConcurrent }),
  };
}

/** What the session's own token is narrowed to. */
function toRestrictions(
  sessionId: string,
  {
    clientType,
    capabilities,
    expiresAt,
  }: Pick<SessionEventData<"session.created">, "clientType" | "capabilities" | "expiresAt">,
): Restrictions {
  return { ...capabilities, clientType, sessionId, expiresAt };
}

/** Grants in sessions that were made, so that what is kept by grant is kept over requests. */
const inSessions = new WeakMap<Grant, WeakMap<Session, Grant>>();

/** What the bearer may do inside this session: no more than the session, whoever opened it (W4). */
export function grantInSession(grant: Grant, session: Session): Grant {
  const { tokenId } = session.created;
  // It came by the session's own token, as that is or narrowed further.
  if (grant.links?.some(({ capabilityId }) => capabilityId === tokenId) === true) return grant;
  const made = inSessions.get(grant) ?? new WeakMap<Session, Grant>();
  inSessions.set(grant, made);
  const before = made.get(session);
  if (before !== undefined) return before;
  const restrictions = toRestrictions(session.sessionId, session.created);
  const narrowed = Object.freeze(follow(grant, { capabilityId: tokenId, restrictions }));
  made.set(session, narrowed);
  return narrowed;
}

function statusOf(session: Session, now: number): SessionStatus {
  if (session.endedAt !== undefined) return "ended";
  if (session.created.expiresAt <= now) return "expired";
  if (session.suspended !== undefined) return "suspended";
  return session.isActivated ? "active" : "initialising";
}

export function toSessionView(session: Session, now: number): SessionView {
  const { created, suspended } = session;
  return {
    sessionId: session.sessionId,
    clientType: created.clientType,
    ...(created.purpose !== undefined && { purpose: created.purpose }),
    principal: created.principal,
    status: statusOf(session, now),
    capabilities: created.capabilities,
    createdAt: new Date(session.createdAt).toISOString(),
    expiresAt: new Date(created.expiresAt).toISOString(),
    ...(session.endedAt !== undefined && { endedAt: new Date(session.endedAt).toISOString() }),
    ...(suspended !== undefined && {
      suspended: {
        at: new Date(suspended.at).toISOString(),
        by: suspended.by,
        ...(suspended.reason !== undefined && { reason: suspended.reason }),
      },
    }),
  };
}

const notRecorded = (reason: string): ViableError =>
  new ViableError("gateway.session_not_recorded", `The session could not be recorded: ${reason}.`, { retryable: true });
