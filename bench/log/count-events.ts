import type { Place } from "../harness/bare-database.ts";
import { connectBare } from "../harness/bare-database.ts";
import { importSameCopy } from "../harness/same-copy.ts";

interface Pglite {
  query<Row>(text: string): Promise<{ rows: Row[] }>;
  close(): Promise<void>;
}
interface PgliteModule {
  readonly PGlite: { create(options: { dataDir: string }): Promise<Pglite> };
}

/** How many events a database holds, asked of the database itself and of nobody who wrote them. */
export async function countEvents({ databaseUrl, stateDir }: Place, table: string): Promise<number> {
  const text = `SELECT count(*)::int AS events FROM ${table}`;
  if (databaseUrl !== undefined) {
    const client = await connectBare(databaseUrl);
    const { rows } = await client.query<{ events: number }>(text);
    await client.end();
    return rows[0]?.events ?? 0;
  }
  const { PGlite } = await importSameCopy<PgliteModule>("@viable/log-postgres", "@electric-sql/pglite");
  const database = await PGlite.create({ dataDir: stateDir as string });
  const { rows } = await database.query<{ events: number }>(text);
  await database.close();
  return rows[0]?.events ?? 0;
}
