import type { SnapshotHead, SnapshotPage } from "@viable/log";
import { checkSnapshot, notEmpty, snapshotDamaged } from "@viable/log";
import { unavailable } from "./errors.ts";
import { applyMigrations, checkEncoding, migrationLock, restoringTable } from "./migrate.ts";
import type { Connection } from "./session.ts";
import {
  restoredCounts,
  restoreEvents,
  restoreEventsParams,
  restoreHead,
  restoreRecords,
  restoreRecordsParams,
} from "./statements/restore.ts";

/**
 * Fills a database that has no schema `viable` with a snapshot.
 *
 * States: empty → marked (a table that says so, committed) → restored. All else happens in one transaction that also takes the mark
 * away; so whatever ends it, a killed process too, leaves a database that is marked, and no store opens one (`migrate`). Called again,
 * it begins again. An error that is heard of here takes the mark away too: then the database is empty as before.
 *
 * The lock is the one of migrations: who starts meanwhile waits, and finds the database restored.
 */
export async function restoreInto(connection: Connection, pages: AsyncIterable<SnapshotPage>): Promise<void> {
  await checkEncoding(connection);
  const [lock] = await connection.query(`SELECT pg_try_advisory_lock(${migrationLock}) AS mine`);
  if (lock?.mine !== true) throw unavailable("Another process migrates or restores this database.");
  try {
    if (!(await isEmpty(connection))) throw notEmpty("The database");
    await connection.script(`CREATE SCHEMA IF NOT EXISTS viable; CREATE TABLE IF NOT EXISTS ${restoringTable} ();`);
    try {
      await fill(connection, pages);
    } catch (error) {
      // A connection that is gone cannot, and leaves the mark; the first error is the one to tell.
      await connection.script("ROLLBACK").catch(() => {});
      await connection.script(`DROP TABLE ${restoringTable}; DROP SCHEMA viable;`).catch(() => {});
      throw error;
    }
  } finally {
    await connection.query(`SELECT pg_advisory_unlock(${migrationLock})`).catch(() => {});
  }
}

/** No schema, or one that holds no more than the mark of a restore that was cut short. */
async function isEmpty(connection: Connection): Promise<boolean> {
  const [row] = await connection.query(`SELECT
    (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('viable') AND oid <> coalesce(to_regclass('${restoringTable}'), 0))
    + (SELECT count(*) FROM pg_proc WHERE pronamespace = to_regnamespace('viable')) AS found`);
  return Number(row?.found) === 0;
}

async function fill(connection: Connection, pages: AsyncIterable<SnapshotPage>): Promise<void> {
  await connection.script("BEGIN");
  await applyMigrations(connection);
  let head: SnapshotHead | undefined;
  for await (const page of checkSnapshot(pages)) {
    if (page.kind === "head") head = page.head;
    else if (page.kind === "records") await connection.query(restoreRecords.text, restoreRecordsParams(page.records));
    else await connection.query(restoreEvents.text, restoreEventsParams(page.events));
  }
  if (head === undefined) throw snapshotDamaged("it does not say where the log stood");
  await connection.query(restoreHead.text, [String(head.change)]);
  const [found] = await connection.query(restoredCounts.text);
  const { events, records, ordinal } = found ?? {};
  if (events !== head.ordinal || ordinal !== head.ordinal || records !== head.records) {
    throw snapshotDamaged(`${events} events and ${records} records came of ${head.ordinal} and ${head.records}`);
  }
  await connection.script(`DROP TABLE ${restoringTable}`);
  await connection.script("COMMIT");
}
