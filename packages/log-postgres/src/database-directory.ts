import { readdir } from "node:fs/promises";

// What lies in the directory of an embedded database.

/** PGlite takes for a database what has this file, so a directory has it only when it has all else. */
export const databaseMark = "PG_VERSION";

/** Where a new database is made until it is whole. */
export const making = ".viable-making";

/** Where a snapshot is restored until it is whole. */
export const restoring = ".viable-restoring";

/** Where what is whole moves up from. */
export const moving = ".viable-moving";

/** What file systems put at their tops by themselves: the directory may be what is mounted. */
const systems = "lost+found";

/**
 * What a directory holds. What was being made counts as nothing. What was moving up is a database, since all of it is there. One that
 * is not there holds nothing; one that cannot be read rejects.
 */
export async function lookInto(directory: string): Promise<"database" | "restore" | "nothing" | "files"> {
  const names = new Set(await readdir(directory).catch(noneIfNotThere));
  if (names.has(databaseMark) || names.has(moving)) return "database";
  const isRestore = names.delete(restoring);
  for (const name of [making, systems]) names.delete(name);
  if (names.size > 0) return "files";
  return isRestore ? "restore" : "nothing";
}

function noneIfNotThere(error: NodeJS.ErrnoException): readonly string[] {
  if (error.code !== "ENOENT") throw error;
  return [];
}
