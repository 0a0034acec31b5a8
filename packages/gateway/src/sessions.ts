import { createHash } from "node:crypto";
import type { Context } from "@viable/kernel";
import { canonicalJson, idFromDigest, isId, ViableError, withContext } from "@viable/kernel";
import type { Log, StoredEvent } from "@viable/log";
import type {
  ClientType,
  CreateSession,
  GrantView,
  Restrictions,
  SessionEventData,
  SessionView,
} from "@viable/protocol";
import type { Capabilities, ClientLimits, Grant } from "@viable/security";
import { attenuate, follow } from "@viable/security";

/** A session: the fold of its stream. States: active → ended (told so) | expired (by time). */
export interface Session {
  readonly sessionId: string;
  readonly tenant: string;
  readonly version: number;
  readonly created: SessionEventData<"session.created">;
  readonly createdAt: number;
  readonly endedAt: number | undefined;
}

/** Twelve hours: a working day and its evening. Who stays longer opens another. */
const sessionMs = 12 * 3_600_000;
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
  end(ctx: Context, session: Session, reason: string): Promise<Session>;
}

export interface SessionsSettings {
  readonly log: Log;
  readonly capabilities: Pick<Capabilities, "attenuate">;
  readonly clientLimits: Readonly<Record<ClientType, ClientLimits>>;
}

export function createSessions({ log, capabilities, clientLimits }: SessionsSettings): Sessions {
  const cache = new Map<string, { readonly session: Session; forget(): void }>();

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
          return { sessionId, tenant: ctx.tenant, version: 1, created, createdAt, endedAt: undefined };
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
    async end(ctx, session, reason) {
      if (session.endedAt !== undefined) return session;
      // Read anew: another gateway may have ended it since.
      const now = (await read(ctx, session.sessionId)) ?? session;
      if (now.endedAt !== undefined) return now;
      const outcome = await log.append(withContext(ctx, { tenant: session.tenant }), {
        streams: [
          {
            stream: sessionStream(session.sessionId),
            expected: now.version,
            events: [{ type: "session.ended", data: { by: ctx.principal, reason } }],
            session: session.sessionId,
          },
        ],
      });
      if (!outcome.ok && outcome.reason !== "conflict") throw notRecorded(outcome.reason);
      cache.get(session.sessionId)?.forget();
      return (await read(ctx, session.sessionId)) ?? now;
    },
  };
}

/** Follows from whose session it is and under which key, so that a repeat finds the first. */
function sessionIdFor(parent: Grant, key: string): string {
  const digest = createHash("sha256")
    .update(canonicalJson([parent.tenant, parent.tokenId, key]))
    .digest();
  return idFromDigest("ses", digest);
}

function foldSession(events: readonly StoredEvent[]): Session | undefined {
  let session: Session | undefined;
  for (const event of events) {
    if (event.type === "session.created") {
      session = {
        sessionId: event.stream.slice("session:".length),
        tenant: event.metadata.tenant,
        version: event.version,
        created: event.data as unknown as SessionEventData<"session.created">,
        createdAt: event.time,
        endedAt: undefined,
      };
    } else if (session !== undefined) {
      session = { ...session, version: event.version, ...(event.type === "session.ended" && { endedAt: event.time }) };
    }
  }
  return session;
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

export function toSessionView(session: Session, now: number): SessionView {
  const { created } = session;
  const status = session.endedAt !== undefined ? "ended" : created.expiresAt <= now ? "expired" : "active";
  return {
    sessionId: session.sessionId,
    clientType: created.clientType,
    ...(created.purpose !== undefined && { purpose: created.purpose }),
    principal: created.principal,
    status,
    capabilities: created.capabilities,
    createdAt: new Date(session.createdAt).toISOString(),
    expiresAt: new Date(created.expiresAt).toISOString(),
    ...(session.endedAt !== undefined && { endedAt: new Date(session.endedAt).toISOString() }),
  };
}

const notRecorded = (reason: string): ViableError =>
  new ViableError("gateway.session_not_recorded", `The session could not be recorded: ${reason}.`, { retryable: true });
