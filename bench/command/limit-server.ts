// The subject `limit`: a bare Hono echo that does the same two durable appends, one after the other, by hand.
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Worker } from "node:worker_threads";
import { createRuntime } from "@viable/kernel";
import { answerParent, readSettings } from "../harness/child.ts";
import { importSameCopy } from "../harness/same-copy.ts";
import { watchProcess } from "../harness/watch-process.ts";
import type { Execute } from "./bare-group-commit.ts";
import { bareSchema, createBareGroupCommit } from "./bare-group-commit.ts";
import type { EventSample } from "./two-events.ts";

interface HonoContext {
  readonly req: { json(): Promise<{ args: { n: number } }> };
  json(body: object): Response;
}
interface HonoModule {
  readonly Hono: new () => {
    post(path: string, handle: (c: HonoContext) => Promise<Response>): void;
    fetch(request: Request, env: object): Response | Promise<Response>;
  };
}
interface NodeServerModule {
  getRequestListener(fetch: (request: Request, env: object) => Response | Promise<Response>): RequestListener;
}
interface PgModule {
  readonly default: {
    readonly Client: new (options: {
      connectionString: string;
    }) => {
      connect(): Promise<void>;
      query(query: string | { name: string; text: string; values: readonly string[] }): Promise<unknown>;
    };
  };
}

const settings = readSettings<{
  stateDir: string;
  databaseUrl: string | undefined;
  samples: readonly [EventSample, EventSample];
}>();
const runtime = createRuntime();
const { Hono } = await importSameCopy<HonoModule>("@viable/gateway", "hono");
const execute = settings.databaseUrl === undefined ? await openPglite() : await connectPostgres(settings.databaseUrl);
const append = createBareGroupCommit(execute, (kind) => runtime.ids.next(kind));

const app = new Hono();
app.post("/commands", async (c) => {
  const { args } = await c.req.json();
  const executionId = runtime.ids.next("exe");
  await append(settings.samples[0], executionId, 1);
  await append(settings.samples[1], executionId, 2);
  return c.json({ status: "completed", executionId, result: args.n });
});
const { getRequestListener } = await importSameCopy<NodeServerModule>("@viable/gateway", "@hono/node-server");
const server = createServer(getRequestListener((request, env) => app.fetch(request, env)));
await once(server.listen(0, "127.0.0.1"), "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

answerParent({ ready: () => ({ url }), ...watchProcess() });

async function connectPostgres(connectionString: string): Promise<Execute> {
  const { default: pg } = await importSameCopy<PgModule>("@viable/log-postgres", "pg");
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.query(bareSchema);
  // Prepared once under its name, as ours are.
  return (text, values) => client.query({ name: "bare_insert", text, values });
}

/** PGlite in a thread of its own, as ours is, asked and answered by message. */
async function openPglite(): Promise<Execute> {
  const worker = new Worker(new URL("./limit-pglite-worker.ts", import.meta.url), { workerData: settings.stateDir });
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
  const send: Execute = (text, params) =>
    new Promise<void>((resolve, reject) => {
      pending.set(nextId, { resolve, reject });
      worker.postMessage({ id: nextId++, text, params });
    });
  for (const statement of bareSchema.split(";").filter((text) => text.trim() !== "")) await send(statement, []);
  return send;
}
