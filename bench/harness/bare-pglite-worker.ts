// PGlite by hand, in a thread of its own as ours is: what is sent over and over is prepared once, and sent by PostgreSQL's protocol, as ours is.
import { parentPort, workerData } from "node:worker_threads";
import { importSameCopy } from "./same-copy.ts";

interface PgliteModule {
  readonly PGlite: {
    create(options: { dataDir: string }): Promise<{
      exec(text: string): Promise<unknown>;
      execProtocol(message: Uint8Array): Promise<unknown>;
    }>;
  };
  readonly protocol: {
    readonly serialize: {
      parse(statement: { name: string; text: string; types: readonly number[] }): Uint8Array;
      bind(call: { statement: string; values: readonly (string | null)[] }): Uint8Array;
      execute(options: object): Uint8Array;
      sync(): Uint8Array;
    };
  };
}

interface Request {
  readonly id: number;
  readonly text: string;
  readonly params: readonly (string | null)[];
}

/** PostgreSQL's number for the type `text`. */
const text = 25;

const { PGlite, protocol } = await importSameCopy<PgliteModule>("@viable/log-postgres", "@electric-sql/pglite");
const { serialize } = protocol;
const database = await PGlite.create({ dataDir: workerData as string });
const names = new Map<string, string>();

async function run(request: Request): Promise<unknown> {
  if (request.params.length === 0) return await database.exec(request.text);
  const parts: Uint8Array[] = [];
  const statement = names.get(request.text) ?? `bare_${names.size}`;
  if (!names.has(request.text)) {
    names.set(request.text, statement);
    parts.push(serialize.parse({ name: statement, text: request.text, types: request.params.map(() => text) }));
  }
  parts.push(serialize.bind({ statement, values: request.params }), serialize.execute({}), serialize.sync());
  return await database.execProtocol(Buffer.concat(parts));
}

// One after the other: nothing else sees to it.
let last: Promise<unknown> = Promise.resolve();
parentPort?.on("message", (request: Request) => {
  last = last
    .then(() => run(request))
    .then(
      () => parentPort?.postMessage({ id: request.id }),
      (error: unknown) => parentPort?.postMessage({ id: request.id, error: String(error) }),
    );
});
