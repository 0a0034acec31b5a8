// The subject `@mastra/core`: its own server, its no-op tool as the one step of a workflow, on its PostgreSQL store. A tool by itself is
// written down nowhere; a workflow's run is, before it is answered.
import type { Place } from "../harness/bare-database.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import { watchProcess } from "../harness/watch-process.ts";
import { listenOnHono } from "./listen-on-hono.ts";

interface Workflow {
  then(step: object): Workflow;
  commit(): Workflow;
}
interface MastraWorkflows {
  createStep(tool: object): object;
  createWorkflow(options: object): Workflow;
}
interface HonoApp {
  fetch(request: Request, env: object): Response | Promise<Response>;
}

// What a peer tells of itself to its makers stays out of a measurement.
process.env.MASTRA_TELEMETRY_DISABLED = "1";

const { Mastra } = loadPeer<{ readonly Mastra: new (options: object) => object }>("@mastra/core/mastra");
const { createStep, createWorkflow } = loadPeer<MastraWorkflows>("@mastra/core/workflows");
const { createTool } = loadPeer<{ createTool(options: object): object }>("@mastra/core/tools");
const { PostgresStore } = loadPeer<{ readonly PostgresStore: new (options: object) => object }>("@mastra/pg");
const { MastraServer } = loadPeer<{ readonly MastraServer: new (options: object) => { init(): Promise<void> } }>(
  "@mastra/hono",
);
const { Hono } = loadPeer<{ readonly Hono: new () => HonoApp }>("hono");
const { z } = loadPeer<{ readonly z: { object(shape: object): object; number(): object } }>("zod");
const { databaseUrl } = readSettings<Place>();

/** As for LangGraph. */
const maxConnections = 20;
const storage = new PostgresStore({ id: "bench", connectionString: databaseUrl, max: maxConnections });
const number = z.object({ n: z.number() });
const noOp = createTool({
  id: "no_op",
  description: "Gives back the number it is given.",
  inputSchema: number,
  outputSchema: number,
  execute: async ({ n }: { n: number }) => ({ n }),
});
const workflow = createWorkflow({ id: "no_op", inputSchema: number, outputSchema: number })
  .then(createStep(noOp))
  .commit();
const mastra = new Mastra({ storage, workflows: { no_op: workflow }, tools: { no_op: noOp }, logger: false });
const app = new Hono();
await new MastraServer({ app, mastra }).init();
const url = await listenOnHono((request, env) => app.fetch(request, env));

answerParent({ ready: () => ({ url }), ...watchProcess() });
