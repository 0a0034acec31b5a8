import { createHmac } from "node:crypto";
import type { Context } from "@viable/kernel";
import { invariant, sleep } from "@viable/kernel";
import type { Log } from "@viable/log";

/** Beside tokens and seals; never expires, and nobody's memory. */
const keyRecord = "security/system-key";
const keyBytes = 32;

/**
 * The secret that the processes of one system share, and by which they know each other's word: whoever can read the database. Made by the first
 * that asks, kept as a record, the same for all. Throws what the log throws.
 */
export async function openSystemKey(ctx: Context, log: Log): Promise<Uint8Array> {
  const kept = keyIn((await log.getRecord(ctx, keyRecord))?.value);
  if (kept !== undefined) return kept;
  const made = ctx.runtime.random.bytes(keyBytes);
  const value = { key: Buffer.from(made).toString("base64url") };
  const append = () => log.append(ctx, { lane: "urgent", records: [{ key: keyRecord, value, expected: 0 }] });
  let outcome = await append();
  while (!outcome.ok && outcome.reason === "overloaded") {
    await sleep(ctx, outcome.retryAfterMs);
    outcome = await append();
  }
  if (outcome.ok) return made;
  // Another process made it in this moment.
  const theirs = keyIn((await log.getRecord(ctx, keyRecord))?.value);
  invariant(theirs !== undefined, "W8", `the record ${keyRecord} was written by another process and holds no key`);
  return theirs;
}

function keyIn(value: unknown): Uint8Array | undefined {
  const text = (value as { readonly key?: unknown } | null | undefined)?.key;
  const key = typeof text === "string" ? Buffer.from(text, "base64url") : undefined;
  return key?.length === keyBytes ? key : undefined;
}

/** A key for one purpose: whoever has it learns nothing of the system's, or of what is for other purposes. */
export const deriveKey = (systemKey: Uint8Array, purpose: string): Uint8Array =>
  createHmac("sha256", systemKey).update(`viable/${purpose}`).digest();
