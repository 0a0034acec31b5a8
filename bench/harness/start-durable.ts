import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";

/**
 * A server that waits for its disk before it answers, also where `DATABASE_URL` names one: throws where that one does not.
 * `settings` (`name=value`) are our own server's; one that was given keeps its own.
 */
export async function startDurable(settings: readonly string[] = []): Promise<PostgresServer> {
  const server = await startPostgres({ fsync: true, settings });
  const names = ["fsync", "full_page_writes", "synchronous_commit"];
  const rows = await server.query("SELECT name FROM pg_settings WHERE name = ANY($1) AND setting = 'off'", [names]);
  if (rows.length > 0) {
    await server[Symbol.asyncDispose]();
    throw new Error(
      `The server runs with ${rows.map(({ name }) => `${name} = off`).join(", ")}: what it answers for is not on the disk.`,
    );
  }
  return server;
}
