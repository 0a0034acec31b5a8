import { z } from "zod";
import { sessionPresence } from "./session-presence.ts";

export const clientType = z.enum(["cli", "web", "api"]);
export type ClientType = z.infer<typeof clientType>;

export const operation = z.enum(["read", "write", "execute"]);
export type Operation = z.infer<typeof operation>;

/** What a session may do. Each number is enforced. */
export const grantView = z.object({
  operations: z.array(operation),
  /** Commands an hour. */
  commandsPerHour: z.number(),
  /** Commands under way at once; absent where there is no such limit. */
  maxConcurrent: z.number().optional(),
});
export type GrantView = z.infer<typeof grantView>;

export const createSession = z.strictObject({ clientType, purpose: z.string().max(500).optional() });
export type CreateSession = z.infer<typeof createSession>;

export const sessionCreated = z.object({
  sessionId: z.string(),
  capabilities: grantView,
  /**
   * Shown to the opener alone; only its hash is kept. It opens this session: its commands, executions and events, and what every session may know, such
   * as the list of commands and how the swarms are. Nothing of other sessions, and nothing that is the tenant's as a whole.
   */
  token: z.string(),
  eventsUrl: z.string(),
  /** Where a WebSocket is opened; absent from gateways of earlier releases. */
  socketUrl: z.string().optional(),
  /** What the messages of this session's webhooks are signed with. Shown to the opener alone; nothing of it is kept. */
  webhookSecret: z.string(),
  expiresAt: z.string(),
});
export type SessionCreated = z.infer<typeof sessionCreated>;

/** Why a session is suspended, for people. */
export const suspendSession = z.strictObject({ reason: z.string().min(1).max(500).optional() });
export type SuspendSession = z.infer<typeof suspendSession>;

/**
 * A session's life: `initialising` until a client first sends a command or something else that changes anything; then `active`, or `suspended` while somebody keeps anything new from
 * being begun in it; in the end `ended`, because somebody said so, or `expired`.
 */
export const sessionStatus = z.enum(["initialising", "active", "suspended", "ended", "expired"]);
export type SessionStatus = z.infer<typeof sessionStatus>;

export const sessionView = z.object({
  sessionId: z.string(),
  clientType,
  purpose: z.string().optional(),
  principal: z.string(),
  status: sessionStatus,
  capabilities: grantView,
  createdAt: z.string(),
  expiresAt: z.string(),
  endedAt: z.string().optional(),
  suspended: z.object({ at: z.string(), by: z.string(), reason: z.string().optional() }).optional(),
  /** Who follows it now, as far as this gateway has heard; only where one session was asked for. */
  present: sessionPresence.optional(),
});
export type SessionView = z.infer<typeof sessionView>;

export const sessionList = z.object({ sessions: z.array(sessionView) });
export type SessionList = z.infer<typeof sessionList>;

export const sessionEvents = {
  "session.created": z.object({
    clientType,
    purpose: z.string().optional(),
    principal: z.string(),
    capabilities: grantView,
    tokenId: z.string(),
    expiresAt: z.number(),
  }),
  /** A client has changed something in it for the first time. */
  "session.activated": z.object({ by: z.string() }),
  "session.suspended": z.object({ by: z.string(), reason: z.string().optional() }),
  "session.resumed": z.object({ by: z.string() }),
  "session.ended": z.object({ by: z.string(), reason: z.string() }),
} as const;
export type SessionEventData<T extends keyof typeof sessionEvents> = z.infer<(typeof sessionEvents)[T]>;
