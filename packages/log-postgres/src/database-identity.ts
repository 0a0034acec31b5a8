import { lookInto } from "./database-directory.ts";
import { databaseGone } from "./errors.ts";
import type { Connection } from "./session.ts";

// What was answered is in one database. A volume that is not mounted, or another one, must not be taken for it.

/** A database that was open in a directory. */
export interface FormerDatabase {
  readonly dataDir: string;
  readonly identity: string;
}

/**
 * What tells a log's database from any other: when it came to be one. Empty where it is none. PostgreSQL's own identifier would not do: it
 * is the same in all that were unpacked from one initial database.
 */
export async function identityOf(connection: Connection): Promise<string> {
  const [found] = await connection.query("SELECT to_regclass('viable.schema_version') IS NOT NULL AS is_log");
  if (found?.is_log !== true) return "";
  const [first] = await connection.query(
    "SELECT extract(epoch FROM applied_at)::text AS identity FROM viable.schema_version WHERE version = 1",
  );
  return String(first?.identity ?? "");
}

/** Rejects where a directory holds no database any more. Whatever keeps it from being read may pass, as a mount point's owner does. */
export async function checkIsThere(dataDir: string): Promise<void> {
  const found = await lookInto(dataDir).catch((error: unknown) => {
    throw databaseGone(dataDir, "the directory cannot be read", error);
  });
  if (found !== "database") throw databaseGone(dataDir, whatIsThere[found]);
}

const whatIsThere = {
  nothing: "the directory is empty, or not there",
  files: "the directory holds files, and no database",
  restore: "a restore has begun there",
};

/** Rejects where the database that is open now is not the one that was. */
export async function checkIsSame(connection: Connection, { dataDir, identity }: FormerDatabase): Promise<void> {
  if ((await identityOf(connection)) !== identity) throw databaseGone(dataDir, "another database is there");
}
