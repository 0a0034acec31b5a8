import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { SecretSource } from "@viable/security";
import { minSecretBytes } from "@viable/security";
import type { Settings } from "./settings.ts";

/** The file beside the embedded database. */
export const secretFile = (stateDir: string): string => join(stateDir, "secret.key");

/**
 * Where this machine's settings keep the system's secret: in `VIABLE_SECRET_KEY`; else, on the embedded database, in a file of the state folder that the
 * first start makes. On a server several machines must share it, so none is made there.
 */
export function secretSource({ stateDir, databaseUrl, secretKey, secretLost }: Settings): SecretSource {
  const replaces = secretLost === true;
  if (secretKey !== undefined) return { read: () => decode(secretKey, "VIABLE_SECRET_KEY"), replaces };
  if (databaseUrl !== undefined) return { read: () => undefined, replaces };
  const file = secretFile(stateDir);
  const read = () => (existsSync(file) ? decode(readFileSync(file, "utf8").trim(), file) : undefined);
  const make = (ctx: Context): Uint8Array => {
    const secret = ctx.runtime.random.bytes(minSecretBytes);
    // None that is there is ever written over: what it keeps could not be read any more.
    writeFileSync(file, `${Buffer.from(secret).toString("base64url")}\n`, { mode: 0o600, flag: "wx", flush: true });
    return secret;
  };
  return { read, make, replaces };
}

function decode(text: string, from: string): Uint8Array {
  const secret = Buffer.from(text, "base64url");
  if (secret.length >= minSecretBytes && secret.toString("base64url") === text.replace(/=+$/, "")) return secret;
  throw new ViableError(
    "config.invalid",
    `${from} holds no secret: it must be ${minSecretBytes} bytes or more in base64url.`,
    {
      next: "Make one with: openssl rand -base64 32 | tr '+/' '-_' | tr -d '='",
    },
  );
}
