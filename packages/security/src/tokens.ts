import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Context, JsonObject, Part } from "@viable/kernel";
import { idFromDigest } from "@viable/kernel";
import type { Log, RecordWrite, StoredRecord } from "@viable/log";
import type { ClientType, Operation } from "@viable/protocol";
import type { Grant } from "./grant.ts";

/** Records of tokens. Only hashes are kept: who reads the database learns no token. */
const keyPrefix = "security/token/";
/** 256 bits: not to be guessed, whatever the rate. */
const secretBytes = 32;
/** Longer than any token of ours; anything longer is not looked at. */
const maxTokenChars = 200;
/** Tokens that were looked up, held in memory: the most recently used stay. One entry is about 500 bytes. */
const maxKnown = 10_000;
/** Ids that were looked up and are not there, held so that asking again costs no read. One entry is about 100 bytes. */
const maxMissing = 10_000;
/** How long an id is taken to be still not there, in milliseconds. A client with a token that has ended asks several times a second. */
const missingMs = 5_000;
/**
 * Look-ups under way at once. Each is a read of the database that anybody can cause, without a valid token, so they may not fill its
 * queue. Enough for clients that all come back after a start: each token is read once, in a millisecond or two.
 */
const maxLookups = 64;
/** When to come again where no look-up was free, in milliseconds: they take one or two. */
const retryLookupMs = 1_000;

/** The text a client carries: `vbl_<token id>_<secret in base64url>`. */
export interface MintedToken {
  readonly tokenId: string;
  readonly token: string;
  /** The record that makes it valid; to be written in the same append as what the token is for. */
  readonly record: RecordWrite;
}

/**
 * What a token follows from, where it must be possible to hand out the same one again: the secret of whoever asks for it, and a
 * name for it. Nothing has to be kept for that, and who has the token learns nothing of the secret.
 */
export interface TokenSource {
  readonly secret: string;
  readonly name: string;
}

/** So many tokens are being looked up that this one was not: nothing is said about it. */
export interface LookupsFull {
  readonly full: true;
  readonly retryAfterMs: number;
}

/**
 * Mints and verifies bearer tokens. A token is verified against its record once and then from memory; deleting the record
 * revokes it, here as soon as the record's change is seen, in other processes within the log's polling interval.
 *
 * Not promised yet: attenuation offline and delegation, which come with the capability tokens.
 */
export interface Tokens extends Part {
  /** A new token; with a source, the one that follows from it. */
  mint(ctx: Context, grant: Omit<Grant, "tokenId">, source?: TokenSource): MintedToken;
  /**
   * The grant behind a token, or undefined: unknown, malformed, revoked and expired are one answer, so that it teaches nothing.
   * `LookupsFull` where it is not known here and too many others are being looked up (W10).
   */
  verify(ctx: Context, token: string): Promise<Grant | LookupsFull | undefined>;
  /** The write that revokes a token. */
  revocation(tokenId: string): RecordWrite;
}

/** What a token's record says. */
interface Known {
  readonly digest: Buffer;
  readonly grant: Grant;
  /** The token itself once it was verified, in memory alone: to hash it for each command costs more than the rest of the check. */
  token?: Buffer;
}

const isExpired = (grant: Grant, now: number): boolean => grant.expiresAt !== null && grant.expiresAt <= now;

/** Compares in a time that does not tell where the two differ. */
function isSame(verified: Buffer, token: string): boolean {
  const given = Buffer.from(token);
  return given.length === verified.length && timingSafeEqual(given, verified);
}

/** Whether a token is the one that a record was written for. */
function isFor(known: Known, token: string): boolean {
  if (known.token !== undefined) return isSame(known.token, token);
  if (!timingSafeEqual(known.digest, digestOf(token))) return false;
  known.token = Buffer.from(token);
  return true;
}

/** Tokens kept as records of a log. */
export function createTokens(log: Log): Tokens {
  const known = new Map<string, Known>();
  /** Ids that are not there, and until when that is believed, in monotonic milliseconds. */
  const missing = new Map<string, number>();
  /** Look-ups under way whose answer is still to be trusted, by token id. */
  const lookups = new Map<string, Promise<Known | undefined>>();
  let reading = 0;
  let unwatch = () => {};

  const forget = (tokenId: string) => {
    known.delete(tokenId);
    missing.delete(tokenId);
    // What is being read may be out of date already: it is not kept, and whoever comes from now on reads anew.
    lookups.delete(tokenId);
  };

  /** Reads a token's record. However many ask for one id, it is read once. */
  const lookUp = (ctx: Context, tokenId: string): Promise<Known | undefined> | LookupsFull => {
    const underWay = lookups.get(tokenId);
    if (underWay !== undefined) return underWay;
    if (reading >= maxLookups) return { full: true, retryAfterMs: retryLookupMs };
    const isCurrent = () => lookups.get(tokenId) === lookup;
    const read = async () => {
      reading += 1;
      try {
        const found = readRecord(tokenId, await log.getRecord(ctx, keyPrefix + tokenId));
        if (!isCurrent()) return found;
        if (found !== undefined) keepNewest(known, maxKnown, tokenId, found);
        else keepNewest(missing, maxMissing, tokenId, ctx.runtime.clock.monotonicMs() + missingMs);
        return found;
      } finally {
        reading -= 1;
        if (isCurrent()) lookups.delete(tokenId);
      }
    };
    const lookup = read();
    lookups.set(tokenId, lookup);
    return lookup;
  };

  return {
    async start(ctx) {
      unwatch = await log.watchRecords(ctx, keyPrefix, (change) => forget(change.key.slice(keyPrefix.length)));
    },
    async stop() {
      unwatch();
      known.clear();
      missing.clear();
    },
    mint(ctx, grant, source) {
      const { tokenId, secret } = source === undefined ? drawSecret(ctx) : deriveSecret(source);
      const token = `vbl_${tokenId.slice("tok_".length)}_${Buffer.from(secret).toString("base64url")}`;
      const value = { digest: digestOf(token).toString("hex"), ...toRecordValue(grant) };
      // The id is new, so nothing is there to be overwritten; and an append whose answer was lost may be sent again as it is.
      const record: RecordWrite = { key: keyPrefix + tokenId, value, expected: "any", expiresAt: grant.expiresAt };
      return { tokenId, token, record };
    },
    async verify(ctx, token) {
      const tokenId = tokenIdOf(token);
      if (tokenId === undefined) return undefined;
      const cached = known.get(tokenId);
      if (cached !== undefined) {
        if (!isFor(cached, token) || isExpired(cached.grant, ctx.runtime.clock.now())) return undefined;
        keepNewest(known, maxKnown, tokenId, cached);
        return cached.grant;
      }
      if ((missing.get(tokenId) ?? 0) > ctx.runtime.clock.monotonicMs()) return undefined;
      const found = await lookUp(ctx, tokenId);
      if (found === undefined || "full" in found) return found;
      return isFor(found, token) && !isExpired(found.grant, ctx.runtime.clock.now()) ? found.grant : undefined;
    },
    revocation: (tokenId) => ({ key: keyPrefix + tokenId, value: null, expected: "any" }),
  };
}

interface TokenSecret {
  readonly tokenId: string;
  readonly secret: Uint8Array;
}

const drawSecret = ({ runtime }: Context): TokenSecret => ({
  tokenId: runtime.ids.next("tok"),
  secret: runtime.random.bytes(secretBytes),
});

function deriveSecret({ secret, name }: TokenSource): TokenSecret {
  const derive = (part: string): Buffer => createHmac("sha256", secret).update(`${part}/${name}`).digest();
  return { tokenId: idFromDigest("tok", derive("id")), secret: derive("secret") };
}

/** Sets an entry as the newest, and lets the oldest go where there are too many: a map holds its keys in the order they were set. */
function keepNewest<T>(map: Map<string, T>, max: number, key: string, value: T): void {
  if (!map.delete(key) && map.size >= max) {
    const oldest = map.keys().next().value;
    if (oldest !== undefined) map.delete(oldest);
  }
  map.set(key, value);
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

function readRecord(tokenId: string, record: StoredRecord | undefined): Known | undefined {
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
