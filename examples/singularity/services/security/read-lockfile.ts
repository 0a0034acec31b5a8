import type { Lockfile } from "./lockfile.ts";
import { readNpmLock } from "./read-npm-lock.ts";
import { readPnpmLock } from "./read-pnpm-lock.ts";
import { readYarnBerryLock, readYarnClassicLock } from "./read-yarn-lock.ts";

/** Lockfiles that are read, by name. */
export const lockfiles = ["package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock"] as const;

/** The largest lockfiles of published monorepos have a few megabytes; ten times that still parses in a second. */
export const maxLockfileBytes = 32 * 1024 * 1024;

/** Reads a lockfile. Throws an error with the reason where it is not what its name says. */
export async function readLockfile(name: string, text: string): Promise<Lockfile> {
  if (name === "pnpm-lock.yaml") return readPnpmLock(await parseYaml(text));
  if (name !== "yarn.lock") return readNpmLock(JSON.parse(text));
  return /^__metadata:/m.test(text) ? readYarnBerryLock(await parseYaml(text)) : readYarnClassicLock(text);
}

/** Without aliases: no lockfile has them, and nests of them make a small file large. */
const parseYaml = async (text: string): Promise<unknown> => (await import("yaml")).parse(text, { maxAliasCount: 0 });
