// The subject `@langchain/langgraph`: a graph of one node that does nothing, behind a route of Hono, with its PostgreSQL checkpointer.
import { createRuntime } from "@viable/kernel";
import type { Place } from "../harness/bare-database.ts";
import { openBarePool } from "../harness/bare-database.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import { importSameCopy } from "../harness/same-copy.ts";
import { watchProcess } from "../harness/watch-process.ts";
import { listenOnHono } from "./listen-on-hono.ts";

interface Numbered {
  readonly n: number;
}
interface Graph {
  addNode(name: string, run: (state: Numbered) => Numbered): Graph;
  addEdge(from: string, to: string): Graph;
  compile(options: { checkpointer: object }): { invoke(input: Numbered, options: object): Promise<Numbered> };
}
interface LangGraph {
  readonly StateGraph: new (state: object) => Graph;
  readonly Annotation: (() => object) & { Root(channels: Readonly<Record<string, object>>): object };
  readonly START: string;
  readonly END: string;
}
interface CheckpointPostgres {
  readonly PostgresSaver: new (pool: object) => { setup(): Promise<void> };
}
interface HonoContext {
  readonly req: { json(): Promise<{ args: Numbered }> };
  json(body: object): Response;
}
interface HonoModule {
  readonly Hono: new () => {
    post(path: string, handle: (c: HonoContext) => Promise<Response>): void;
    fetch(request: Request, env: object): Response | Promise<Response>;
  };
}

// Nothing of a run is sent to anybody: it is off by default, and what stands in the environment of whoever measures stays out.
process.env.LANGSMITH_TRACING = "false";
process.env.LANGCHAIN_TRACING_V2 = "false";

const { StateGraph, Annotation, START, END } = loadPeer<LangGraph>("@langchain/langgraph");
const { PostgresSaver } = loadPeer<CheckpointPostgres>("@langchain/langgraph-checkpoint-postgres");
const { Hono } = await importSameCopy<HonoModule>("@viable/gateway", "hono");
const { databaseUrl } = readSettings<Place>();
const runtime = createRuntime();

/** Twice what a pool of `pg` has by itself, as with reactors. */
const maxConnections = 20;
const checkpointer = new PostgresSaver(await openBarePool(databaseUrl as string, maxConnections));
await checkpointer.setup();
const graph = new StateGraph(Annotation.Root({ n: Annotation() }))
  .addNode("no_op", ({ n }) => ({ n }))
  .addEdge(START, "no_op")
  .addEdge("no_op", END)
  .compile({ checkpointer });

const app = new Hono();
app.post("/commands", async (c) => {
  const { args } = await c.req.json();
  const executionId = runtime.ids.next("exe");
  // `sync`: it answers when all checkpoints of the run are durable.
  const { n } = await graph.invoke(args, { configurable: { thread_id: executionId }, durability: "sync" });
  return c.json({ status: "completed", executionId, result: n });
});
const url = await listenOnHono((request, env) => app.fetch(request, env));

answerParent({ ready: () => ({ url }), ...watchProcess() });
