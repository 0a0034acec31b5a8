import { parentPort, workerData } from "node:worker_threads";
import { importSameCopy } from "./same-copy.ts";

interface PgliteModule {
  readonly PGlite: {
    create(options: { dataDir: string }): Promise<{
      query(text: string, params: readonly string[], options: { paramTypes: readonly number[] }): Promise<unknown>;
    }>;
  };
}

/** PostgreSQL's number for the type `text`. */
const text = 25;

const { PGlite } = await importSameCopy<PgliteModule>("@viable/log-postgres", "@electric-sql/pglite");
const database = await PGlite.create({ dataDir: workerData as string });
parentPort?.on("message", (request: { id: number; text: string; params: readonly string[] }) => {
  database.query(request.text, request.params, { paramTypes: request.params.map(() => text) }).then(
    () => parentPort?.postMessage({ id: request.id }),
    (error: unknown) => parentPort?.postMessage({ id: request.id, error: String(error) }),
  );
});
