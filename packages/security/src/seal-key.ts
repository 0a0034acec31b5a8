import type { KeyObject } from "node:crypto";
import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, sign, verify } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { toWire, ViableError } from "@viable/kernel";

/** What seals are proven by. An id names a key and vouches for nothing: only a signature does. */
export interface PublicKey {
  readonly id: string;
  /** Whether a signature (base64url) of a text was made with the private key to it. */
  verifies(text: string, signature: string): boolean;
}

/** What a process signs its seals with. */
export interface SealKey {
  readonly publicKey: PublicKey;
  /** The signature of a text, in base64url. */
  sign(text: string): string;
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
  if (!existsSync(file)) orUnwritable(folder, () => makeKeyFile(file));
  let privateKey: KeyObject;
  let key: SealKey;
  try {
    privateKey = createPrivateKey(readFileSync(file));
    key = toSealKey(privateKey);
  } catch (error) {
    throw unreadable(file, error);
  }
  const publicPath = join(folder, `seal-key-${key.publicKey.id}.pub.pem`);
  const pem = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
  if (!existsSync(publicPath) || readFileSync(publicPath, "utf8") !== pem)
    orUnwritable(folder, () => writeBeside(publicPath, pem, (written) => renameSync(written, publicPath)));
  return key;
}

/** The public keys that lie in a folder, by their ids: its own, and those that somebody has put there to be trusted as well. */
export function readPublicKeys(folder: string): Map<string, PublicKey> {
  if (!existsSync(folder)) return new Map();
  const files = readdirSync(folder).filter((name) => publicFile.test(name));
  return new Map(files.map((name) => readPublicKey(join(folder, name))).map((key) => [key.id, key]));
}

/** A public key from a file. Throws `security.key_unreadable`. */
export function readPublicKey(file: string): PublicKey {
  let pem: string;
  try {
    pem = readFileSync(file, "utf8");
  } catch (error) {
    throw unreadable(file, error);
  }
  return parsePublicKey(pem, file);
}

/** A public key from its text (PEM); `from` says where it comes from. Throws `security.key_unreadable`. */
export function parsePublicKey(pem: string, from: string): PublicKey {
  try {
    if (pem.length > maxKeyChars || pem.includes("PRIVATE KEY")) throw new Error("it is no public key");
    return toPublicKey(createPublicKey(pem));
  } catch (error) {
    throw unreadable(from, error);
  }
}

/** Put in place only where nobody else has put one meanwhile. */
function makeKeyFile(file: string): void {
  const { privateKey } = generateKeyPairSync("ed25519");
  writeBeside(file, privateKey.export({ type: "pkcs8", format: "pem" }).toString(), (written) => {
    try {
      linkSync(written, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  });
}

/** Writes a file whole before it is put in its place, where no other process writes: process numbers are alike in containers. */
function writeBeside(file: string, text: string, putInPlace: (written: string) => void): void {
  const beside = mkdtempSync(`${file}.`);
  try {
    const written = join(beside, "new");
    writeFileSync(written, text, { mode: 0o600, flag: "wx", flush: true });
    putInPlace(written);
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
}

function orUnwritable(folder: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new ViableError(
      "security.key_unreadable",
      `No key for seals can be kept in ${folder}: ${toWire(error).message}`,
      {
        next: "Let the process write into that folder, or put a key there that was made elsewhere, with its public key.",
        cause: error,
      },
    );
  }
}

/** The key itself stays in here: what is handed on can be printed by mistake, and shows nothing. */
function toSealKey(privateKey: KeyObject): SealKey {
  return {
    publicKey: toPublicKey(createPublicKey(privateKey)),
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString("base64url"),
  };
}

function toPublicKey(key: KeyObject): PublicKey {
  if (key.asymmetricKeyType !== "ed25519") throw new Error(`it is of the kind ${key.asymmetricKeyType}, not ed25519`);
  return {
    id: hash("sha256", key.export({ type: "spki", format: "der" }), "hex").slice(0, 16),
    verifies: (text, signature) => verify(null, Buffer.from(text), key, Buffer.from(signature, "base64url")),
  };
}

const unreadable = (file: string, cause: unknown): ViableError =>
  new ViableError("security.key_unreadable", `${file} is no key for seals: ${toWire(cause).message}`, {
    next: "Restore it. Where it is lost, move it away: a new one is made, and what the old one signed stays provable by its public key.",
    cause,
  });
