import { z } from "zod";

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

export const sessionView = z.object({
  sessionId: z.string(),
  clientType,
  purpose: z.string().optional(),
  principal: z.string(),
  status: z.enum(["active", "ended", "expired"]),
  capabilities: grantView,
  createdAt: z.string(),
  expiresAt: z.string(),
  endedAt: z.string().optional(),
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
  "session.ended": z.object({ by: z.string(), reason: z.string() }),
} as const;
export type SessionEventData<T extends keyof typeof sessionEvents> = z.infer<(typeof sessionEvents)[T]>;
