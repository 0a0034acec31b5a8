import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, JsonObject, Part } from "@viable/kernel";
import type { Log, RecordWrite, StoredRecord } from "@viable/log";
import type { ClientType, Operation } from "@viable/protocol";
import type { Grant } from "./grant.ts";

/** Records of tokens. Only hashes are kept: who reads the database learns no token. */
const keyPrefix = "security/token/";
/** 256 bits: not to be guessed, whatever the rate. */
const secretBytes = 32;
/** Longer than any token of ours; anything longer is not looked at. */
const maxTokenChars = 200;
/** Verified tokens held in memory. One entry is about 500 bytes. */
const maxCached = 10_000;

/** The text a client carries: `vbl_<token id>_<secret in base64url>`. */
export interface MintedToken {
  readonly tokenId: string;
  readonly token: string;
  /** The record that makes it valid; to be written in the same append as what the token is for. */
  readonly record: RecordWrite;
}

/**
 * Mints and verifies bearer tokens. A token is verified against its record once and then from memory; deleting the record
 * revokes it, here as soon as the record's change is seen, in other processes within the log's polling interval.
 *
 * Not promised yet: attenuation offline and delegation, which come with the capability tokens.
 */
export interface Tokens extends Part {
  mint(ctx: Context, grant: Omit<Grant, "tokenId">): MintedToken;
  /** The grant behind a token, or undefined: unknown, malformed, revoked and expired are one answer, so that it teaches nothing. */
  verify(ctx: Context, token: string): Promise<Grant | undefined>;
  /** The write that revokes a token. */
  revocation(tokenId: string): RecordWrite;
}

/** A token that was verified: held itself, in memory alone, because to hash it for each command costs more than the rest of the check. */
interface Verified {
  readonly token: Buffer;
  readonly grant: Grant;
}

const isExpired = (grant: Grant, now: number): boolean => grant.expiresAt !== null && grant.expiresAt <= now;

/** Compares in a time that does not tell where the two differ. */
function isSame(verified: Buffer, token: string): boolean {
  const given = Buffer.from(token);
  return given.length === verified.length && timingSafeEqual(given, verified);
}

/** Tokens kept as records of a log. */
export function createTokens(log: Log): Tokens {
  const verified = new Map<string, Verified>();
  let unwatch = () => {};
  /** Changes of tokens seen so far: what was read before one of them may be out of date. */
  let changes = 0;

  return {
    async start(ctx) {
      unwatch = await log.watchRecords(ctx, keyPrefix, (change) => {
        changes += 1;
        verified.delete(change.key.slice(keyPrefix.length));
      });
    },
    async stop() {
      unwatch();
      verified.clear();
    },
    mint(ctx, grant) {
      const tokenId = ctx.runtime.ids.next("tok");
      const secret = Buffer.from(ctx.runtime.random.bytes(secretBytes)).toString("base64url");
      const token = `vbl_${tokenId.slice("tok_".length)}_${secret}`;
      const value = { digest: digestOf(token).toString("hex"), ...toRecordValue(grant) };
      return { tokenId, token, record: { key: keyPrefix + tokenId, value, expected: 0, expiresAt: grant.expiresAt } };
    },
    async verify(ctx, token) {
      const tokenId = tokenIdOf(token);
      if (tokenId === undefined) return undefined;
      const now = ctx.runtime.clock.now();
      const cached = verified.get(tokenId);
      if (cached !== undefined && isSame(cached.token, token))
        return isExpired(cached.grant, now) ? undefined : cached.grant;
      const seen = changes;
      const known = readRecord(tokenId, await log.getRecord(ctx, keyPrefix + tokenId));
      if (known === undefined || !timingSafeEqual(known.digest, digestOf(token)) || isExpired(known.grant, now))
        return undefined;
      if (changes === seen) remember(verified, tokenId, { token: Buffer.from(token), grant: known.grant });
      return known.grant;
    },
    revocation: (tokenId) => ({ key: keyPrefix + tokenId, value: null, expected: "any" }),
  };
}

/** Keeps the most recently used: a map holds its keys in the order they were set. */
function remember(cache: Map<string, Verified>, tokenId: string, entry: Verified): void {
  if (!cache.has(tokenId) && cache.size >= maxCached) {
    const oldest = cache.keys().next().value;
    if (oldest !== undefined) cache.delete(oldest);
  }
  cache.set(tokenId, entry);
}

const digestOf = (token: string): Buffer => createHash("sha256").update(token).digest();

function tokenIdOf(token: string): string | undefined {
  if (token.length > maxTokenChars) return undefined;
  const match = /^vbl_([0-9a-z]{26})_[A-Za-z0-9_-]{43}$/.exec(token);
  return match === null ? undefined : `tok_${match[1]}`;
}

function toRecordValue(grant: Omit<Grant, "tokenId">): JsonObject {
  return {
    tenant: grant.tenant,
    principal: grant.principal,
    clientType: grant.clientType,
    operations: [...grant.operations],
    sessionId: grant.sessionId,
    commandsPerHour: grant.commandsPerHour,
    maxConcurrent: grant.maxConcurrent,
    expiresAt: grant.expiresAt,
  };
}

function readRecord(
  tokenId: string,
  record: StoredRecord | undefined,
): { readonly digest: Buffer; readonly grant: Grant } | undefined {
  if (record === undefined) return undefined;
  const value = record.value as unknown as Omit<Grant, "tokenId"> & { digest: string };
  return {
    digest: Buffer.from(value.digest, "hex"),
    grant: {
      tokenId,
      tenant: value.tenant,
      principal: value.principal,
      clientType: value.clientType as ClientType,
      operations: value.operations as Operation[],
      sessionId: value.sessionId,
      commandsPerHour: value.commandsPerHour,
      maxConcurrent: value.maxConcurrent,
      expiresAt: value.expiresAt,
    },
  };
}
