import type { KeyObject } from "node:crypto";
import { createPrivateKey, createPublicKey, generateKeyPairSync, hash } from "node:crypto";
import { existsSync, linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toWire, ViableError } from "@viable/kernel";

/** What a process signs its seals with. */
export interface SealKey {
  /** Follows from the public key. */
  readonly id: string;
  readonly privateKey: KeyObject;
}

const privateFile = "seal-key.pem";
/** Each public key has a file of its own, so that what an earlier key signed stays provable. */
const publicFile = /^seal-key-[0-9a-f]{16}\.pub\.pem$/;
/** A key of ours has 113 characters; whatever is much longer is none. */
const maxKeyChars = 10_000;

/** A new key, kept nowhere. */
export const createSealKey = (): SealKey => toSealKey(generateKeyPairSync("ed25519").privateKey);

/**
 * The key of a folder, for its owner's eyes only, made where there is none, with its public key beside it. Processes that share the
 * folder share the key. Throws `security.key_unreadable`.
 */
export function openSealKey(folder: string): SealKey {
  const file = join(folder, privateFile);
  if (!existsSync(file)) makeKeyFile(file);
  let key: SealKey;
  try {
    key = toSealKey(createPrivateKey(readFileSync(file)));
  } catch (error) {
    throw unreadable(file, error);
  }
  writeFileSync(join(folder, `seal-key-${key.id}.pub.pem`), publicPem(key), { mode: 0o600 });
  return key;
}

/** The public keys that lie in a folder, by their ids: its own, and those that somebody has put there to be trusted as well. */
export function readPublicKeys(folder: string): Map<string, KeyObject> {
  if (!existsSync(folder)) return new Map();
  const files = readdirSync(folder).filter((name) => publicFile.test(name));
  return new Map(files.map((name) => readPublicKey(join(folder, name))));
}

/** A public key from a file, with its id. Throws `security.key_unreadable`. */
export function readPublicKey(file: string): [id: string, key: KeyObject] {
  let pem: string;
  try {
    pem = readFileSync(file, "utf8");
  } catch (error) {
    throw unreadable(file, error);
  }
  return parsePublicKey(pem, file);
}

/** A public key as text (PEM), with its id; `from` says where it comes from. Throws `security.key_unreadable`. */
export function parsePublicKey(pem: string, from: string): [id: string, key: KeyObject] {
  try {
    if (pem.length > maxKeyChars || pem.includes("PRIVATE KEY")) throw new Error("it is no public key");
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType !== "ed25519") throw new Error(`it is of the kind ${key.asymmetricKeyType}, not ed25519`);
    return [idOf(key), key];
  } catch (error) {
    throw unreadable(from, error);
  }
}

/** The public key to a key, as text. */
const publicPem = (key: SealKey): string =>
  createPublicKey(key.privateKey).export({ type: "spki", format: "pem" }) as string;

/** Written beside and put in place only where nobody else has put one meanwhile. */
function makeKeyFile(file: string): void {
  const { privateKey } = generateKeyPairSync("ed25519");
  const temporary = `${file}.${process.pid}.new`;
  writeFileSync(temporary, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600, flush: true });
  try {
    linkSync(temporary, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function toSealKey(privateKey: KeyObject): SealKey {
  if (privateKey.asymmetricKeyType !== "ed25519") throw new Error("it is no Ed25519 key");
  return { id: idOf(createPublicKey(privateKey)), privateKey };
}

/** An id names a key and vouches for nothing: only a signature does. */
const idOf = (publicKey: KeyObject): string =>
  hash("sha256", publicKey.export({ type: "spki", format: "der" }), "hex").slice(0, 16);

const unreadable = (file: string, cause: unknown): ViableError =>
  new ViableError("security.key_unreadable", `${file} is no key for seals: ${toWire(cause).message}`, {
    next: "Restore it. Where it is lost, move it away: a new one is made, and what the old one signed stays provable by its public key.",
    cause,
  });
