// PGlite by itself: opens a directory, answers one query, says so, and closes when told to stop.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { importSameCopy } from "../harness/same-copy.ts";

interface PgliteModule {
  readonly PGlite: {
    create(options: { dataDir: string }): Promise<{ query(text: string): Promise<unknown>; close(): Promise<void> }>;
  };
}

const [thread, directory] = isMainThread ? process.argv.slice(2) : ["main", workerData as string];
if (thread === "worker") {
  const worker = new Worker(new URL(import.meta.url), { workerData: directory });
  worker.once("message", () => console.log("ready"));
  worker.once("exit", () => process.exit());
  process.once("SIGTERM", () => worker.postMessage("close"));
} else {
  const { PGlite } = await importSameCopy<PgliteModule>("@viable/log-postgres", "@electric-sql/pglite");
  const database = await PGlite.create({ dataDir: directory as string });
  await database.query("SELECT 1");
  const close = async () => {
    await database.close();
    process.exit();
  };
  // The answer goes out, and the thread stays up until it is told to close.
  if (isMainThread) {
    console.log("ready");
    process.once("SIGTERM", close);
    setInterval(() => {}, 60_000);
  } else {
    parentPort?.postMessage("ready");
    parentPort?.once("message", close);
  }
}
