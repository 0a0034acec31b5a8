import { z } from "zod";

/** How long a share holds unless told, in milliseconds: an hour. At most a day; a session does not last longer. */
const defaultShareMs = 3_600_000;
const maxShareMs = 24 * 3_600_000;

/** Lets another client into a session, with no more than its opener may, and less where it is said. */
export const shareSession = z.strictObject({
  /** Commands and queries in all, of everybody who joins by it. */
  maxOperations: z.number().int().min(1).max(1_000_000).optional(),
  expiresInMs: z.number().int().min(1_000).max(maxShareMs).default(defaultShareMs),
  readOnly: z.boolean().default(false),
  /** Who it is for, for people. */
  label: z.string().min(1).max(200).optional(),
});
export type ShareSession = z.infer<typeof shareSession>;

/** The token is shown to whoever shares alone. It opens this session, cannot be handed on in part, and shares nothing on. */
export const sessionShared = z.object({ token: z.string(), capabilityId: z.string(), expiresAt: z.string() });
export type SessionShared = z.infer<typeof sessionShared>;

export const joinSession = z.strictObject({ token: z.string().min(1).max(6_000) });
export type JoinSession = z.infer<typeof joinSession>;

/** Where the joined session is followed. The token is the one that was shared. */
export const sessionJoined = z.object({
  sessionId: z.string(),
  operations: z.array(z.string()),
  eventsUrl: z.string(),
  expiresAt: z.string(),
});
export type SessionJoined = z.infer<typeof sessionJoined>;

export const sharingEvents = {
  "session.joined": z.object({ capabilityId: z.string(), by: z.string(), label: z.string().optional() }),
} as const;
