import { databaseTooNew, refused, restoreUnfinished } from "./errors.ts";
import { migrations } from "./migrations.ts";
import type { Connection } from "./session.ts";

/** Names the lock under which one process at a time migrates or restores; the number means nothing. */
export const migrationLock = 7_283_604_417;
/** Stands in a database that a restore has begun to fill, until it has come to its end. */
export const restoringTable = "viable.restoring";

/**
 * Brings the schema `viable` to the newest version this release knows: all of it or, on any error, none. Processes that start
 * together wait for each other; whoever comes second finds nothing to do. Throws `log.database_too_new` for a later schema, and
 * `log.restore_unfinished` where a restore was cut short.
 */
export async function migrate(connection: Connection): Promise<void> {
  await checkEncoding(connection);
  // Whoever waited for the lock must see what the other has done.
  await connection.script("BEGIN ISOLATION LEVEL READ COMMITTED");
  try {
    await connection.query(`SELECT pg_advisory_xact_lock(${migrationLock})::text`);
    const [mark] = await connection.query(`SELECT to_regclass('${restoringTable}') IS NOT NULL AS is_there`);
    if (mark?.is_there === true) throw restoreUnfinished("The database");
    await applyMigrations(connection);
    await connection.script("COMMIT");
  } catch (error) {
    // A connection that is gone has rolled back by itself; the first error is the one to tell.
    await connection.script("ROLLBACK").catch(() => {});
    throw error;
  }
}

/** Refuses a database whose texts are not UTF-8. */
export async function checkEncoding(connection: Connection): Promise<void> {
  const [settings] = await connection.query("SELECT current_setting('server_encoding') AS encoding");
  if (settings?.encoding !== "UTF8") {
    throw refused(`The database's encoding is ${settings?.encoding}.`, "Create the database with encoding UTF8.");
  }
}

/** The migrations that are still to come, within the transaction and the lock of whoever calls. */
export async function applyMigrations(connection: Connection): Promise<void> {
  await connection.script(`
    CREATE SCHEMA IF NOT EXISTS viable;
    CREATE TABLE IF NOT EXISTS viable.schema_version (
      version int PRIMARY KEY,
      applied_at timestamptz NOT NULL DEFAULT now()
    );`);
  const [row] = await connection.query("SELECT coalesce(max(version), 0) AS version FROM viable.schema_version");
  const found = Number(row?.version);
  if (found > migrations.length) throw databaseTooNew(found, migrations.length);
  for (const [index, migration] of migrations.entries()) {
    if (index < found) continue;
    await connection.script(migration);
    await connection.script(`INSERT INTO viable.schema_version (version) VALUES (${index + 1})`);
  }
}
