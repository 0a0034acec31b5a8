import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ViableError } from "@viable/kernel";
import type { SystemDefinition } from "./define-system.ts";

export const configFileName = "viable.config.ts";

/** The nearest config at or above a folder; undefined where there is none. */
export function findConfig(from: string): string | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const file = join(folder, configFileName);
    if (existsSync(file)) return file;
    if (dirname(folder) === folder) return undefined;
  }
}

/** Loads a config file. Throws `config.not_found` or `config.invalid`; the latter names file, line and reason. */
export async function loadConfig(file: string): Promise<SystemDefinition> {
  if (!existsSync(file)) {
    throw new ViableError("config.not_found", `There is no config at ${file}.`, {
      next: `Write a ${configFileName} that default-exports defineSystem({...}), or name one with --config.`,
    });
  }
  let module: { default?: unknown };
  try {
    module = (await import(pathToFileURL(file).href)) as { default?: unknown };
  } catch (error) {
    throw new ViableError("config.invalid", `${placeOf(error, file)}: ${reasonOf(error)}`, { cause: error });
  }
  const system = module.default;
  if (typeof system !== "object" || system === null || !("kind" in system) || system.kind !== "system") {
    throw new ViableError("config.invalid", `${file}:1: the default export is not a system.`, {
      next: "Write `export default defineSystem({...})`.",
    });
  }
  return system as SystemDefinition;
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");

/** Where in the user's own files it went wrong: the first place of the stack that is below the config's folder and not in a package. */
function placeOf(error: unknown, file: string): string {
  const missing = /^Cannot find (?:module|package) '([^']+)' imported from (.+)$/.exec(reasonOf(error));
  if (missing !== null) return placeOfImport(missing[2] as string, missing[1] as string);
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const folder = dirname(file);
  for (const match of stack.matchAll(/(file:\/\/[^\s():]+|\/[^\s():]+|[A-Za-z]:\\[^\s():]+):(\d+)(?::\d+)?/g)) {
    const path = match[1]?.startsWith("file://") ? fileURLToPath(match[1]) : (match[1] ?? "");
    if (path.startsWith(folder) && !path.includes("node_modules")) return `${path}:${match[2]}`;
  }
  return file;
}

/** A module that was not found has no stack; the line is the one that names it. */
function placeOfImport(importer: string, specifier: string): string {
  if (!existsSync(importer)) return importer;
  const lines = readFileSync(importer, "utf8").split("\n");
  const index = lines.findIndex((line) => /\b(?:from|import)\b/.test(line) && line.includes(basename(specifier)));
  return index === -1 ? importer : `${importer}:${index + 1}`;
}
