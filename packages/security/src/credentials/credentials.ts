import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Context, JsonObject } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Log, NewEvent, RecordWrite } from "@viable/log";
import { Secret } from "./secret.ts";

/** Of a tenant: one for each provider that it has an account with. */
const maxCredentials = 200;
const cipher = "aes-256-gcm";
/** 96 bits, as GCM is made for. By chance: two alike come only after some 2^48 writes. */
const nonceBytes = 12;
/** Shown of its end, and only where four times as many are not. */
const shownChars = 4;
const minCharsToShow = 20;

/** What is told of a credential. */
export interface Credential {
  readonly provider: string;
  readonly setAt: number;
  readonly setBy: string;
  readonly ends: string | undefined;
  readonly readable: boolean;
}

interface CredentialRecord {
  readonly nonce: string;
  readonly sealed: string;
  readonly tag: string;
  readonly setAt: number;
  readonly setBy: string;
  readonly ends?: string;
}

/**
 * Credentials of providers, such as keys of models, encrypted in the log's database by a key that needs the system's secret.
 *
 * Promised: what `get` answers was set under that very name in that tenant: one that was changed, or moved from another place, is refused
 * (`security.unreadable_credential`). Not promised: that one which was taken away is gone from backups; end it where it is from.
 */
export interface Credentials {
  set(
    ctx: Context,
    provider: string,
    value: Secret,
  ): Promise<{ readonly ok: true } | { readonly ok: false; readonly reason: "too_many" }>;
  get(ctx: Context, provider: string): Promise<Secret | undefined>;
  list(ctx: Context): Promise<Credential[]>;
  /** False where there is none. */
  remove(ctx: Context, provider: string): Promise<boolean>;
}

export interface CredentialsSettings {
  readonly log: Log;
  /** Of 32 bytes, once the log is open. Undefined where the system has no secret: then none can be set or read (`security.no_secret`). */
  key(): Uint8Array | undefined;
}

export function createCredentials({ log, key: keyIfAny }: CredentialsSettings): Credentials {
  const keyOrThrow = (): Uint8Array => {
    const key = keyIfAny();
    if (key !== undefined) return key;
    throw new ViableError("security.no_secret", "This system has no secret to encrypt credentials with.", {
      next: "Give all its processes the same VIABLE_SECRET_KEY.",
    });
  };
  const append = async (ctx: Context, write: RecordWrite, event: NewEvent): Promise<void> => {
    const stream = `credentials:${encodeURIComponent(ctx.tenant)}`;
    const outcome = await log.append(ctx, {
      records: [write],
      streams: [{ stream, expected: "any", events: [event] }],
    });
    if (outcome.ok) return;
    throw new ViableError("security.credential_not_written", "The credential could not be written now.", {
      retryable: true,
    });
  };
  const open = (recordKey: string, { nonce, sealed, tag }: CredentialRecord): Secret => {
    try {
      const decipher = createDecipheriv(cipher, keyOrThrow(), Buffer.from(nonce, "base64url"), { authTagLength: 16 });
      decipher.setAAD(Buffer.from(recordKey)).setAuthTag(Buffer.from(tag, "base64url"));
      return new Secret(
        Buffer.concat([decipher.update(Buffer.from(sealed, "base64url")), decipher.final()]).toString("utf8"),
      );
    } catch (error) {
      if (error instanceof ViableError) throw error;
      // Without its cause, which says nothing more.
      throw new ViableError(
        "security.unreadable_credential",
        `The record ${recordKey} is not what was written there.`,
        {
          next: "Set the credential again; find out who changed the database, or whether its secret was replaced.",
        },
      );
    }
  };
  const list = async (ctx: Context) =>
    (await log.listRecords(ctx, prefixOf(ctx.tenant), { limit: maxCredentials })).records.map(({ key: at, value }) => ({
      at,
      provider: at.slice(prefixOf(ctx.tenant).length),
      record: value as unknown as CredentialRecord,
    }));

  return {
    async set(ctx, provider, value) {
      const all = await list(ctx);
      if (all.length >= maxCredentials && !all.some((each) => each.provider === provider))
        return { ok: false, reason: "too_many" };
      const at = prefixOf(ctx.tenant) + provider;
      const nonce = ctx.runtime.random.bytes(nonceBytes);
      const encrypt = createCipheriv(cipher, keyOrThrow(), nonce, { authTagLength: 16 }).setAAD(Buffer.from(at));
      const text = value.reveal();
      const sealed = Buffer.concat([encrypt.update(text, "utf8"), encrypt.final()]);
      const record: CredentialRecord = {
        nonce: Buffer.from(nonce).toString("base64url"),
        sealed: sealed.toString("base64url"),
        tag: encrypt.getAuthTag().toString("base64url"),
        setAt: ctx.runtime.clock.now(),
        setBy: ctx.principal,
        ...(text.length >= minCharsToShow && { ends: text.slice(-shownChars) }),
      };
      const write = { key: at, value: record as unknown as JsonObject, expected: "any" as const };
      await append(ctx, write, { type: "credential.set", data: { provider } });
      return { ok: true };
    },
    async get(ctx, provider) {
      const at = prefixOf(ctx.tenant) + provider;
      const found = await log.getRecord(ctx, at);
      return found && open(at, found.value as unknown as CredentialRecord);
    },
    async list(ctx) {
      return (await list(ctx)).map(({ at, provider, record }) => {
        const { setAt, setBy, ends } = record;
        return { provider, setAt, setBy, ends, readable: isReadable(() => open(at, record)) };
      });
    },
    async remove(ctx, provider) {
      const at = prefixOf(ctx.tenant) + provider;
      if ((await log.getRecord(ctx, at)) === undefined) return false;
      await append(ctx, { key: at, value: null, expected: "any" }, { type: "credential.removed", data: { provider } });
      return true;
    },
  };
}

const prefixOf = (tenant: string): string => `security/credential/${encodeURIComponent(tenant)}/`;

function isReadable(open: () => Secret): boolean {
  try {
    open();
    return true;
  } catch {
    return false;
  }
}
