import { Worker } from "node:worker_threads";
import { importSameCopy } from "./same-copy.ts";

/** Runs one statement with text parameters and resolves when it is committed. */
export type Execute = (text: string, params: readonly (string | null)[]) => Promise<unknown>;

/** As much of a connection of `pg`, or of its pool, as the benchmarks use. */
export interface BareClient {
  query<Row>(
    query: string | { name: string; text: string; values: readonly (string | null)[] },
  ): Promise<{ rows: Row[] }>;
  end(): Promise<void>;
}
interface PgModule {
  readonly default: {
    readonly Client: new (options: { connectionString: string }) => BareClient & { connect(): Promise<void> };
    readonly Pool: new (options: { connectionString: string; max: number }) => BareClient;
  };
}

/** One connection to a server, over the very driver that we use. */
export async function connectBare(connectionString: string): Promise<BareClient> {
  const { default: pg } = await importSameCopy<PgModule>("@viable/log-postgres", "pg");
  const client = new pg.Client({ connectionString });
  await client.connect();
  return client;
}

/** So many connections at most, over the same driver: made when they are first needed. */
export async function openBarePool(connectionString: string, max: number): Promise<BareClient> {
  const { default: pg } = await importSameCopy<PgModule>("@viable/log-postgres", "pg");
  return new pg.Pool({ connectionString, max });
}

/** A database that one subject has to itself: on a server, or in a folder for PGlite. */
export interface Place {
  readonly stateDir?: string | undefined;
  /** Where it is given, the database is there. */
  readonly databaseUrl?: string | undefined;
}

/** Opens a database by hand and makes its tables, statement by statement. */
export async function openBare(place: Place, schema: string): Promise<Execute> {
  const execute =
    place.databaseUrl === undefined
      ? openBarePglite(place.stateDir as string)
      : executeOver(await connectBare(place.databaseUrl));
  for (const statement of schema.split(";").filter((text) => text.trim() !== "")) await execute(statement, []);
  return execute;
}

/** What is sent over and over is prepared once under its name, as ours is. */
export function executeOver(client: BareClient): Execute {
  const names = new Map<string, string>();
  return (text, values) => {
    if (values.length === 0) return client.query(text);
    const name = names.get(text) ?? `bare_${names.size}`;
    names.set(text, name);
    return client.query({ name, text, values });
  };
}

/** PGlite in a thread of its own, as ours is, asked and answered by message. */
function openBarePglite(dataDir: string): Execute {
  const worker = new Worker(new URL("./bare-pglite-worker.ts", import.meta.url), { workerData: dataDir });
  const pending = new Map<number, { resolve(): void; reject(error: unknown): void }>();
  let nextId = 0;
  worker.on("message", ({ id, error }: { id: number; error?: unknown }) => {
    const each = pending.get(id);
    pending.delete(id);
    if (error === undefined) each?.resolve();
    else each?.reject(error);
  });
  worker.on("error", (error) => {
    for (const each of pending.values()) each.reject(error);
  });
  return (text, params) =>
    new Promise<void>((resolve, reject) => {
      pending.set(nextId, { resolve, reject });
      worker.postMessage({ id: nextId++, text, params });
    });
}
