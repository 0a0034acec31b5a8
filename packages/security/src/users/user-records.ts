import type { Context, JsonObject, JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { AppendRequest, Log, NewEvent, RecordWrite } from "@viable/log";
import type { Restrictions } from "@viable/protocol";
import type { Capabilities } from "../capability/capabilities.ts";
import type { CapabilityText } from "../capability/capability-tokens.ts";

/** A user as a record. Who changed it and when is told by the events of its stream, which are written with it. */
export interface UserRecord {
  readonly state: "active" | "disabled";
  readonly roles: readonly string[];
  readonly createdAt: number;
  readonly createdBy: string;
  /** What created it, so that the same again finds its own work: the execution. */
  readonly origin: string;
  /** Whatever opens something in the user's name came of the root of this nonce; another one ends it all. */
  readonly nonce: string;
  readonly settings: { readonly [key: string]: JsonValue };
}

/** Nothing of it is a secret: a hash, and when it was set. */
export interface PasswordRecord {
  readonly hash: string;
  readonly setAt: number;
}

/** An account's capabilities are those of a person, who logs in, or of a service, which has keys. */
export type Account = "user" | "service";

/** How often a change is tried again where another process changed the same user meanwhile. */
const maxTries = 10;
const nonceBytes = 16;
/** How long what comes of a root may hold, in milliseconds: a key a year at most, log-ins and invitations days. Until then the root's end is remembered. */
const longestMs: Readonly<Record<Account, number>> = { user: 7 * 86_400_000, service: 366 * 86_400_000 };

const keyOf = (kind: string, tenant: string, name: string): string =>
  `security/${kind}/${encodeURIComponent(tenant)}/${name}`;
export const userPrefix = (tenant: string): string => keyOf("user", tenant, "");
const userKey = (tenant: string, name: string): string => keyOf("user", tenant, name);
export const passwordKey = (tenant: string, name: string): string => keyOf("password", tenant, name);
export const addressesKey = (tenant: string, name: string): string => keyOf("addresses", tenant, name);
export const serviceKeyPrefix = (tenant: string, name: string): string => `${keyOf("service-key", tenant, name)}/`;
const userStream = (tenant: string, name: string): string => `user:${encodeURIComponent(tenant)}/${name}`;

export const newNonce = ({ runtime }: Context): string =>
  Buffer.from(runtime.random.bytes(nonceBytes)).toString("base64url");

/** What of a user is found, with the version that a change of it must meet. */
export interface FoundUser {
  readonly record: UserRecord;
  readonly version: number;
}

export async function findUser(ctx: Context, log: Log, name: string): Promise<FoundUser | undefined> {
  const found = await log.getRecord(ctx, userKey(ctx.tenant, name));
  return found && { record: found.value as unknown as UserRecord, version: found.version };
}

/**
 * The root of whatever a user's account opens: the same each time for the same nonce, so that its end is one revocation. Nobody is handed it; what is handed
 * out is always narrowed from it.
 */
export const rootOf = (
  ctx: Context,
  capabilities: Pick<Capabilities, "mint">,
  account: Account,
  name: string,
  nonce: string,
): CapabilityText =>
  capabilities.mint(
    ctx,
    { tenant: ctx.tenant, principal: `${account}:${name}`, clientType: "api", restrictions: {} },
    Buffer.from(nonce, "base64url"),
  );

/** What ends whatever came of a user's root: here at once, in other processes as soon as they hear of it, within a second. */
export function endOfRoot(
  ctx: Context,
  capabilities: Pick<Capabilities, "mint" | "revocation">,
  account: Account,
  name: string,
  nonce: string,
): RecordWrite {
  const { capabilityId } = rootOf(ctx, capabilities, account, name, nonce);
  return revocationOf(ctx, capabilities, capabilityId, Math.floor(ctx.runtime.clock.now()) + longestMs[account]);
}

/** Throws `security.too_many_revocations`: what cannot be revoked must not pass for it. */
export function revocationOf(
  ctx: Context,
  capabilities: Pick<Capabilities, "revocation">,
  capabilityId: string,
  expiresAt: number,
  from?: number,
): RecordWrite {
  const write = capabilities.revocation(ctx.tenant, capabilityId, expiresAt, from);
  if (write !== undefined) return write;
  throw new ViableError("security.too_many_revocations", "Too many revocations hold at present.", {
    retryable: true,
    next: "They end with what they revoke; try again later.",
  });
}

/** What a change comes to: what is to be written, an answer without writing, or what is written and the answer to that. */
export interface Change<Answer> {
  readonly answer: Answer;
  readonly writes?: readonly RecordWrite[];
  readonly events?: readonly NewEvent[];
}

/**
 * Decides on a user as it is and writes what that comes to in one append, with its events; again where another has changed it meanwhile. Throws
 * `security.users_busy`.
 */
export async function changeUser<Answer>(
  ctx: Context,
  log: Log,
  name: string,
  decide: (found: FoundUser | undefined) => Change<Answer> | Promise<Change<Answer>>,
): Promise<Answer> {
  for (let tries = 0; tries < maxTries; tries++) {
    const { answer, writes = [], events = [] } = await decide(await findUser(ctx, log, name));
    if (writes.length === 0 && events.length === 0) return answer;
    const stream = userStream(ctx.tenant, name);
    const request: AppendRequest = { records: writes, streams: [{ stream, expected: "any", events }] };
    const outcome = await log.append(ctx, request);
    if (outcome.ok) return answer;
    if (outcome.reason === "overloaded") break;
  }
  throw new ViableError("security.users_busy", `The user "${name}" could not be written now.`, { retryable: true });
}

/** The write of a user that must be as it was found. */
export const writeUser = (tenant: string, name: string, record: UserRecord, expected: number): RecordWrite => ({
  key: userKey(tenant, name),
  value: record as unknown as JsonObject,
  expected,
});

/** What tells log-ins and invitations apart: the first link behind the root, which only a process of the system can have made. */
export const firstLink = (links: readonly { readonly restrictions: Restrictions }[] = []): Restrictions | undefined =>
  links[1]?.restrictions;
