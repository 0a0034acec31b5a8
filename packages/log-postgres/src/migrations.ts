import { readdirSync, readFileSync } from "node:fs";

// Beside the folder that this file is in, as source and as built.
const folder = new URL("../migrations/", import.meta.url);

/** All migrations in order: the first brings a database to version 1, and so on. They are only ever added to. */
export const migrations: readonly string[] = readdirSync(folder)
  .sort()
  .map((name) => readFileSync(new URL(name, folder), "utf8"));
