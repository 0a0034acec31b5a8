/**
 * Seals: signed statements on what a stretch of the log was, so that a later change of it shows, by whomever and however it was made.
 * Pure but for the signature's key: what is sealed when is the sealer's to decide, and what a log is worth `verify-seals.ts`.
 *
 * A leaf is the hash of an event with its place, as it is stored. A seal holds the hash over its leaves in order, the hash of the seal
 * before it, and of each leaf the first bytes, by which the first event that is not what it was can be named. It is itself an event,
 * and lies in the stretch that the next one covers.
 */
import { hash } from "node:crypto";
import type { EventType, StoredEvent } from "@viable/log";
import { eventType, isPosition, toOrdinal, toPosition } from "@viable/log";
import { z } from "zod";
import type { PublicKey, SealKey } from "./seal-key.ts";

/** Every seal is an event of this stream, its number being its version. */
export const sealStream = "seals";
const sealType = "log.sealed";
/** Events that a seal covers at most: its tags are then 10,667 characters, and naming a bad one among them is quick. */
export const maxSealedEvents = 1_000;
/** Of each leaf so much is kept: enough to name an event, while the whole stretch stands under a whole hash. */
const tagBytes = 8;
/** Signed with the rest, so that no signature made for anything else passes for a seal's. */
const format = "viable seal 1";

const position = z.string().refine(isPosition, "is no position");
const digest = z.string().length(43);
const sealSchema = z.strictObject({
  /** From 1, without gaps. */
  number: z.number().int().min(1),
  /** Positions of the first and the last event it covers. */
  from: position,
  to: position,
  count: z.number().int().min(1).max(maxSealedEvents),
  /** Over the leaves in order. */
  root: digest,
  /** Of the seal before it; null in the first. */
  previous: digest.nullable(),
  /** Wall time in milliseconds, by the clock of whoever sealed. */
  sealedAt: z.number(),
  /** Of the key that signed. */
  keyId: z.string().min(1).max(64),
  /** The first bytes of each leaf in order, in base64url. */
  tags: z.string().max(Math.ceil((maxSealedEvents * tagBytes * 4) / 3)),
  /** Ed25519 over all else. */
  signature: z.string().min(1).max(128),
});

/** A signed statement on a stretch of the log. Hashes and tags are base64url. */
export type Seal = Readonly<z.infer<typeof sealSchema>>;

/** The events that this room writes: seals. */
export const sealEventTypes: readonly EventType[] = [eventType(sealType, sealSchema)];

/** A seal as an event to be appended. */
export const sealEvent = (seal: Seal) => ({ type: sealType, data: { ...seal } });

/** The seal that an event or a line of a file holds; undefined where it holds none. */
export function readSeal(data: unknown): Seal | undefined {
  const parsed = sealSchema.safeParse(data);
  if (!parsed.success) return undefined;
  const seal = parsed.data;
  const covered = toOrdinal(seal.to) - toOrdinal(seal.from) + 1;
  return covered === seal.count && readTags(seal).length === seal.count ? seal : undefined;
}

/** What an event is hashed as. Whatever the metadata has is in it, in an order of its own. */
export function leafText({ position: at, stream, version, id, type, metadata, data, time }: StoredEvent): string {
  const sorted = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify([at, stream, version, id, type, sorted, data, time]);
}

/** The hash of an event, in hexadecimal. */
export const leafOf = (event: StoredEvent): string => hash("sha256", leafText(event), "hex");

/** What a seal keeps of a leaf, in hexadecimal. */
export const tagOf = (leaf: string): string => leaf.slice(0, 2 * tagBytes);

/** The tags of a seal, as `tagOf` makes them. */
export function readTags(seal: Pick<Seal, "tags">): string[] {
  const bytes = Buffer.from(seal.tags, "base64url");
  const tags: string[] = [];
  for (let at = 0; at < bytes.length; at += tagBytes) tags.push(bytes.toString("hex", at, at + tagBytes));
  return tags;
}

/** The hash over leaves in order: each has the same length, so no other row of leaves gives the same bytes. */
const rootOf = (leaves: readonly string[]): string => hash("sha256", Buffer.from(leaves.join(""), "hex"), "base64url");

/** Seals what stands behind a seal, or at the beginning of the log: `leaves` are those of the events that come next. */
export function sealLeaves(
  leaves: readonly string[],
  previous: Seal | undefined,
  key: SealKey,
  sealedAt: number,
): Seal {
  const first = previous === undefined ? 1 : toOrdinal(previous.to) + 1;
  const unsigned = {
    number: (previous?.number ?? 0) + 1,
    from: toPosition(first),
    to: toPosition(first + leaves.length - 1),
    count: leaves.length,
    root: rootOf(leaves),
    previous: previous === undefined ? null : hashOfSeal(previous),
    sealedAt,
    keyId: key.publicKey.id,
    tags: Buffer.from(leaves.map(tagOf).join(""), "hex").toString("base64url"),
  };
  return { ...unsigned, signature: key.sign(signedText(unsigned)) };
}

/** What the next seal holds of this one. */
export const hashOfSeal = (seal: Seal): string =>
  hash("sha256", JSON.stringify([signedText(seal), seal.signature]), "base64url");

const signedText = (seal: Omit<Seal, "signature">): string =>
  JSON.stringify([
    format,
    seal.number,
    seal.from,
    seal.to,
    seal.count,
    seal.root,
    seal.previous,
    seal.sealedAt,
    seal.keyId,
    seal.tags,
  ]);

/** Whether a seal was signed with the key it names, as far as these keys can tell. */
export function checkSignature(seal: Seal, keys: ReadonlyMap<string, PublicKey>): "good" | "bad" | "unknown_key" {
  const key = keys.get(seal.keyId);
  if (key === undefined) return "unknown_key";
  return key.verifies(signedText(seal), seal.signature) ? "good" : "bad";
}

/** Why a seal does not follow on another, or does not begin a log; undefined where it does. */
export function findBreak(previous: Seal | undefined, next: Seal): string | undefined {
  const number = (previous?.number ?? 0) + 1;
  if (next.number !== number) return `seal ${next.number} stands where ${number} should`;
  if (next.previous !== (previous === undefined ? null : hashOfSeal(previous)))
    return previous === undefined
      ? "seal 1 names a seal before it"
      : `seal ${number} was made on another seal ${previous.number}`;
  const first = previous === undefined ? 1 : toOrdinal(previous.to) + 1;
  return toOrdinal(next.from) === first
    ? undefined
    : `seal ${number} begins at position ${next.from} and not at ${first}`;
}
