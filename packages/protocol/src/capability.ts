import { z } from "zod";
import { clientType, operation } from "./session.ts";

/** What a capability is for or against, in addresses: `command/analyze`, `query/health.of`, `view/memory`. */
const maxPatterns = 100;
const maxPatternChars = 200;

/**
 * An address of something that may be asked for: its kind and its name, `command/NAME`, `query/NAME` or `view/NAME`. It stands for itself alone
 * unless it ends in a star: `*` for whatever follows within the name's part (up to the next `/` or `.`), `**` for whatever follows at all.
 */
export const addressPattern = z
  .string()
  .max(maxPatternChars)
  .regex(
    /^[a-z0-9_-]+(?:[/.][A-Za-z0-9_-]+)*(?:[/.]?\*{1,2})?$|^\*\*$/,
    "must be an address such as command/analyze, which may end in * or **",
  );

const clockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "must be a time of the day such as 22:00");

/** Hours of the day in which something holds; where `to` is not after `from` it goes past midnight. The same two are the whole day. */
export const dailyWindow = z.strictObject({
  from: clockTime,
  to: clockTime,
  /** An IANA time zone, such as Europe/Berlin. */
  timeZone: z
    .string()
    .max(60)
    .refine(isTimeZone, { error: "must be a time zone such as Europe/Berlin or UTC" })
    .meta({ examples: ["Europe/Berlin", "UTC"] }),
});
export type DailyWindow = z.infer<typeof dailyWindow>;

const time = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const count = z.number().int().min(1).max(1_000_000_000);

/**
 * What a capability may be narrowed by, all of it and nothing else: a restriction that is not known is refused, never passed over. Each only
 * takes away. All must hold, of every link of the chain.
 */
export const restrictions = z.strictObject({
  /** What may be done at all; an empty list is nothing. */
  operations: z.array(operation).max(3).optional(),
  /** What may be asked for at the door: one of these. What is done for it may ask others for parts of it. */
  resources: z.array(addressPattern).min(1).max(maxPatterns).optional(),
  /** What may not be, at the door and by whatever is done for it. Stronger than `resources`. */
  denied: z.array(addressPattern).min(1).max(maxPatterns).optional(),
  /** Wall time in milliseconds before which it is worth nothing. */
  notBefore: time.optional(),
  /** Wall time in milliseconds from which on it is worth nothing. */
  expiresAt: time.optional(),
  /** Hours of the day outside of which it is worth nothing. */
  daily: dailyWindow.optional(),
  /** The one session that it opens. */
  sessionId: z.string().max(40).optional(),
  /** The one execution that it shows and may cancel; with it nothing new can be asked for. */
  executionId: z.string().max(40).optional(),
  /** What its bearer passes for, where that is less. */
  clientType: clientType.optional(),
  commandsPerHour: count.optional(),
  /** Commands under way at once. */
  maxConcurrent: count.optional(),
  /** Commands and queries in all, over all processes. */
  maxUses: count.optional(),
  /** How many links may follow this one. 0: it cannot be narrowed, and so not be handed on in part. */
  maxDelegations: z.number().int().min(0).max(10).optional(),
  /** A command that does not wait for its end must name who is told of it. */
  requireWebhook: z.literal(true).optional(),
  /** Of the arguments of one command or query, as JSON. */
  maxRequestBytes: count.optional(),
  /** What it is for, for people. It takes nothing away. */
  label: z.string().min(1).max(200).optional(),
  /** So that two that are narrowed alike are two, each with uses of its own. It takes nothing away. */
  nonce: z.string().min(1).max(64).optional(),
});
export type Restrictions = z.infer<typeof restrictions>;

/** What a capability is minted with: restrictions beside those of the token that asks for it. */
export const mintCapability = restrictions.omit({ nonce: true, expiresAt: true }).extend({
  /** In milliseconds from now, at most a year. What does not end cannot be forgotten when it is revoked. */
  expiresInMs: z
    .number()
    .int()
    .min(1_000)
    .max(366 * 24 * 3_600_000),
});
export type MintCapability = z.infer<typeof mintCapability>;

export const capabilityMinted = z.object({
  capabilityId: z.string(),
  /** Shown to whoever asked for it alone; nothing of it is kept. */
  token: z.string(),
  expiresAt: z.string(),
});
export type CapabilityMinted = z.infer<typeof capabilityMinted>;

/** A capability as it was recorded: what its last link restricts, and the links it came from. */
export const capabilityView = z.object({
  capabilityId: z.string(),
  /** Revoked by itself, or with one that it came from. */
  status: z.enum(["active", "revoked", "expired"]),
  /** Absent where it was narrowed by a bearer and known here only since it was revoked. */
  principal: z.string().optional(),
  restrictions: restrictions.optional(),
  /** The links it came from, the root first. */
  parents: z.array(z.string()),
  mintedAt: z.string().optional(),
  expiresAt: z.string().optional(),
  revokedAt: z.string().optional(),
  revokedBy: z.string().optional(),
  reason: z.string().optional(),
});
export type CapabilityView = z.infer<typeof capabilityView>;

/** The latest first. `next` is where to go on, as `before`; absent where that was all. */
export const capabilityPage = z.object({ capabilities: z.array(capabilityView), next: z.string().optional() });
export type CapabilityPage = z.infer<typeof capabilityPage>;

/** What the token that asks allows: by itself, beside what its session and the numbers counted elsewhere leave. */
export const ownCapability = z.object({
  capabilityId: z.string(),
  tenant: z.string(),
  principal: z.string(),
  clientType: z.string(),
  operations: z.array(operation),
  sessionId: z.string().optional(),
  expiresAt: z.string().optional(),
  /** Its links, the root first. */
  links: z.array(z.object({ capabilityId: z.string(), restrictions })),
});
export type OwnCapability = z.infer<typeof ownCapability>;

export const capabilityEvents = {
  "capability.minted": z.object({
    parents: z.array(z.string()),
    principal: z.string(),
    restrictions,
    expiresAt: z.number(),
  }),
  "capability.revoked": z.object({
    by: z.string(),
    reason: z.string().optional(),
    /** When what is revoked would have ended, so that the revocation need not be kept for longer; absent where that is not known. */
    expiresAt: z.number().optional(),
  }),
} as const;
export type CapabilityEventData<T extends keyof typeof capabilityEvents> = z.infer<(typeof capabilityEvents)[T]>;

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
