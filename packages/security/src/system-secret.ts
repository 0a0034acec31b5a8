import { createHmac, timingSafeEqual } from "node:crypto";
import type { Context } from "@viable/kernel";
import { sleep, ViableError } from "@viable/kernel";
import type { Log, RecordWrite } from "@viable/log";

/** Says which secret the system has. Never expires, and tells nothing of it. */
const digestRecord = "security/secret-digest";
/** 256 bits, as the keys that are made with it. */
export const minSecretBytes = 32;

/** Where a system's secret is kept: beside its database, never in it. */
export interface SecretSource {
  /** Undefined where there is none. */
  read(): Uint8Array | undefined;
  /** Makes one where none is kept, and keeps it, so that it is there before anything stands on it. Absent where several machines must share one. */
  make?(ctx: Context): Uint8Array;
  /** The one that is given takes the place of one that was lost: what was made with that is worth nothing from then on. */
  readonly replaces?: boolean;
}

/**
 * The secret that is mixed into the keys that sign capabilities and encrypt credentials, so that whoever has the database, or a backup of it, has neither.
 * Undefined where the system has none. A record says which it is, by a digest.
 *
 * Throws `security.other_secret` where the system has another than is given here, or one and none is given.
 */
export async function openSystemSecret(ctx: Context, log: Log, source: SecretSource): Promise<Uint8Array | undefined> {
  for (;;) {
    const kept = await log.getRecord(ctx, digestRecord);
    const known = (kept?.value as { readonly digest?: string } | null | undefined)?.digest;
    const isNew = known === undefined || source.replaces === true;
    const secret = source.read() ?? (isNew ? source.make?.(ctx) : undefined);
    if (secret === undefined) {
      if (known === undefined) return undefined;
      throw otherSecret("This system has a secret, and none is given here.");
    }
    const digest = digestOf(secret);
    if (known !== undefined && isSame(known, digest)) return secret;
    if (known !== undefined && source.replaces !== true)
      throw otherSecret("This system has another secret than the one that is given here.");
    const write: RecordWrite = { key: digestRecord, value: { digest }, expected: kept?.version ?? 0 };
    const outcome = await log.append(ctx, { lane: "urgent", records: [write] });
    if (outcome.ok) return secret;
    // Where another process wrote it in this moment, what it wrote is looked at.
    if (outcome.reason === "overloaded") await sleep(ctx, outcome.retryAfterMs);
  }
}

/** The system's key and its secret as one: neither alone leads to it. Without a secret, the key as it is. */
export const withSecret = (systemKey: Uint8Array, secret: Uint8Array | undefined): Uint8Array =>
  secret === undefined ? systemKey : createHmac("sha256", secret).update("viable/mixed/").update(systemKey).digest();

const digestOf = (secret: Uint8Array): string =>
  createHmac("sha256", secret).update("viable/secret-digest").digest("base64url");

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const otherSecret = (message: string): ViableError =>
  new ViableError("security.other_secret", message, {
    next: "Put back the secret.key of its state folder, or VIABLE_SECRET_KEY. If it is lost, start once with VIABLE_SECRET_LOST=yes: every token, key and credential of before is worth nothing then.",
  });
