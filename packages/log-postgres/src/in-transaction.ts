import { isLost } from "./errors.ts";
import type { Connection } from "./session.ts";

/** Runs something in a transaction on a connection that nobody else uses meanwhile: all of it happens, or nothing does. */
export async function inTransaction<T>(
  connection: Connection,
  run: (connection: Connection) => Promise<T>,
): Promise<T> {
  await connection.script("BEGIN");
  try {
    const result = await run(connection);
    await connection.script("COMMIT");
    return result;
  } catch (error) {
    // A connection that is gone has rolled back by itself, and one that does not answer would not answer this; the first error is the one to tell.
    if (!isLost(error)) await connection.script("ROLLBACK").catch(() => {});
    throw error;
  }
}
