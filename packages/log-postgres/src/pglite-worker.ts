import { setFlagsFromString } from "node:v8";
import { parentPort, workerData } from "node:worker_threads";
import type { PGlite } from "@electric-sql/pglite";
import type { CreatePgliteOptions } from "./initial-database.ts";
import { createPglite } from "./initial-database.ts";
import { PreparedStatements } from "./prepared-statements.ts";
import type { Answer, Param, Row } from "./session.ts";
import { nameConnection } from "./session.ts";
import type { WorkerError } from "./worker-error.ts";
import { toWorkerError } from "./worker-error.ts";

// PGlite computes for milliseconds at a time and starves every timer of the thread it runs on, so it has this one for itself.
// The thread knows no SQL: it runs what it is sent, in order, and says what came of it.

export type WorkerStart = Pick<CreatePgliteOptions, "dataDir" | "cacheDir" | "isPart" | "mustExist">;

export type WorkerRequest =
  /** What has a name is prepared under it. */
  | {
      readonly id: number;
      readonly kind: "query";
      readonly name?: string | undefined;
      readonly text: string;
      readonly params: readonly Param[];
    }
  | { readonly id: number; readonly kind: "script"; readonly text: string }
  | { readonly id: number; readonly kind: "close" };

/** The answer to the request of that id; 0 answers the start. */
export type WorkerReply = ({ readonly id: number } & Answer) | { readonly id: number; readonly error: WorkerError };

const nothing: Answer = { rows: [], touched: 0 };
const int8 = 20;
const text = 25;

/**
 * How much of a function of PGlite's V8 runs before it optimises it, in bytes of its code: thirty times as much as by itself. PostgreSQL's
 * parser is one function of 105 kB, whose loop uses up V8's own measure with a few statements, and to optimise it takes three seconds of a core
 * and 640 MB; a process that only opens a database, asks and closes it did not end before that was done. What is busy for long is optimised all the same.
 */
setFlagsFromString("--wasm-tiering-budget=400000000");

if (parentPort !== null) await serve(parentPort, workerData as WorkerStart);

async function serve(port: NonNullable<typeof parentPort>, start: WorkerStart): Promise<void> {
  const answer = async (id: number, run: () => Promise<Answer>) => {
    let reply: WorkerReply;
    try {
      reply = { id, ...(await run()) };
    } catch (thrown) {
      reply = { id, error: toWorkerError(thrown) };
    }
    port.postMessage(reply);
    return reply;
  };

  let opened: PGlite | undefined;
  const started = await answer(0, async () => {
    opened = await createPglite({
      ...start,
      parsers: { [int8]: Number },
    });
    // See migration 1: a plan made for an empty table must not read a large one from end to end.
    await opened.exec("SET enable_seqscan = off");
    await opened.exec(nameConnection);
    return nothing;
  });
  if (opened === undefined || "error" in started) return;
  const database = opened;
  const prepared = new PreparedStatements(database);

  port.on("message", (request: WorkerRequest) => {
    void answer(request.id, async () => {
      switch (request.kind) {
        case "query": {
          const { name } = request;
          if (name !== undefined && prepared.has({ ...request, name }))
            return await prepared.run({ ...request, name }, request.params);
          const paramTypes = request.params.map(() => text);
          const { rows, affectedRows } = await database.query<Row>(request.text, [...request.params], { paramTypes });
          return { rows, touched: affectedRows ?? 0 };
        }
        case "script":
          await database.exec(request.text);
          return nothing;
        case "close":
          await database.close();
          port.close();
          return nothing;
      }
    });
  });
}
