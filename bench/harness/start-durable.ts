import type { PostgresServer } from "@viable/log-postgres/testing";
import { startPostgres } from "@viable/log-postgres/testing";

/** A server that waits for its disk before it answers, also where `DATABASE_URL` names one: throws where that one does not. */
export async function startDurable(): Promise<PostgresServer> {
  const server = await startPostgres({ fsync: true });
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
