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
  if (name === "pnpm-lock.yaml") return readPnpmLock(await parseYaml(withoutPnpmItself(text)));
  if (name !== "yarn.lock") return readNpmLock(JSON.parse(text));
  return /^__metadata:/m.test(text) ? readYarnBerryLock(await parseYaml(text)) : readYarnClassicLock(text);
}

/**
 * pnpm from 11 on writes two documents where it locks itself and its plugins too: those come first, and a line with three dashes begins
 * each. The lines of the first stay as empty ones, so that a reason names the right line.
 */
const withoutPnpmItself = (text: string): string =>
  text.replace(/^---\r?\n.*?\n(?=---\r?\n)/s, (first) => first.replace(/[^\n]+/g, ""));

/** Without aliases: no lockfile has them, and nests of them make a small file large. */
const parseYaml = async (text: string): Promise<unknown> => (await import("yaml")).parse(text, { maxAliasCount: 0 });
