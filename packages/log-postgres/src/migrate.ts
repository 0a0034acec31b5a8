import { databaseTooNew, refused } from "./errors.ts";
import { migrations } from "./migrations/index.ts";
import type { MigrationSession } from "./session.ts";

/** Names the lock under which one process at a time migrates; the number means nothing. */
export const migrationLock = 7_283_604_417;

/**
 * Brings the schema `viable` to the newest version this release knows: all of it or, on any error, none. Processes that start
 * together wait for each other; whoever comes second finds nothing to do. Throws `log.database_too_new` for a later schema.
 */
export async function migrate(session: MigrationSession): Promise<void> {
  const [settings] = await session.query("SELECT current_setting('server_encoding') AS encoding");
  if (settings?.encoding !== "UTF8") {
    throw refused(`The database's encoding is ${settings?.encoding}.`, "Create the database with encoding UTF8.");
  }
  await session.script("BEGIN");
  try {
    await session.query(`SELECT pg_advisory_xact_lock(${migrationLock})::text`);
    await session.script(`
      CREATE SCHEMA IF NOT EXISTS viable;
      CREATE TABLE IF NOT EXISTS viable.schema_version (
        version int PRIMARY KEY,
        applied_at timestamptz NOT NULL DEFAULT now()
      );`);
    const [row] = await session.query("SELECT coalesce(max(version), 0) AS version FROM viable.schema_version");
    const found = Number(row?.version);
    if (found > migrations.length) throw databaseTooNew(found, migrations.length);
    for (const [index, migration] of migrations.entries()) {
      if (index < found) continue;
      await session.script(migration);
      await session.script(`INSERT INTO viable.schema_version (version) VALUES (${index + 1})`);
    }
    await session.script("COMMIT");
  } catch (error) {
    // A connection that is gone has rolled back by itself; the first error is the one to tell.
    await session.script("ROLLBACK").catch(() => {});
    throw error;
  }
}
