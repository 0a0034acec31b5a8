// The subject `limit`: a bare Hono echo that does the same two durable appends, one after the other, by hand.
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createRuntime } from "@viable/kernel";
import { openBare } from "../harness/bare-database.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { importSameCopy } from "../harness/same-copy.ts";
import { watchProcess } from "../harness/watch-process.ts";
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

const settings = readSettings<{
  stateDir: string;
  databaseUrl: string | undefined;
  samples: readonly [EventSample, EventSample];
}>();
const runtime = createRuntime();
const { Hono } = await importSameCopy<HonoModule>("@viable/gateway", "hono");
const execute = await openBare(settings, bareSchema);
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
