// A command that does nothing, durable before it is answered, over HTTP: ours, the two durable writes by hand, and what others have that is
// written down before it is answered. The embedded database is left out: theirs run on a server.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EventSample } from "../command/two-events.ts";
import { connectBare } from "../harness/bare-database.ts";
import type { Child } from "../harness/child.ts";
import { startChild } from "../harness/child.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { HttpSubject } from "./measure-http.ts";
import { measureHttp } from "./measure-http.ts";
import { openBenchSession, post } from "./open-bench-session.ts";

/** No two commands are equal, so that none is joined to another. */
const ownBody = '{"command":"no_op","args":{"n":%n},"mode":"sync"}';
const done = '"completed"';

export async function measureCommands(options: BenchOptions): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "viable-bench-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const generator = stack.use(await startChild(new URL("../harness/load-generator.ts", import.meta.url), {}));
  const server = stack.use(await startDurable());
  const start = async (file: string, settings: object) =>
    stack.use(await startChild(new URL(file, import.meta.url), settings));
  /** A database for one subject, and how it is asked what was done in it. */
  const place = async (count: string) => {
    const databaseUrl = await server.createDatabase();
    const client = await connectBare(databaseUrl);
    stack.defer(() => client.end());
    const stored = async () => Number((await client.query<{ count: string }>(count)).rows[0]?.count);
    return { databaseUrl, stored };
  };
  const there = await place("SELECT count(*) FROM viable.events WHERE type = 'execution.completed'");
  const viable = await start("./viable-gateway.ts", { stateDir: folder, databaseUrl: there.databaseUrl });
  const { url, sessionId, token } = await openBenchSession(viable);
  const path = `/v1/sessions/${sessionId}/commands`;
  const own = { url, path, headers: { Authorization: `Bearer ${token}` }, body: ownBody, wanted: done };
  const first = await post(url + path, token, JSON.parse(ownBody.replace("%n", "1000000")));
  const samples = await viable.ask<EventSample[]>({ ask: "sample", executionId: first.executionId });
  if (samples.length !== 2) throw new Error(`A command was to cost two events and cost ${samples.length}.`);

  const byHand = await place(`SELECT count(*) FROM events WHERE type = '${samples[1]?.type}'`);
  const limit = await start("../command/limit-server.ts", { databaseUrl: byHand.databaseUrl, samples });
  const graphs = await place("SELECT count(DISTINCT thread_id) FROM checkpoints");
  const langgraph = await start("./langgraph-server.ts", { databaseUrl: graphs.databaseUrl });
  const flows = await place("SELECT count(*) FROM mastra_workflow_snapshot WHERE snapshot->>'status' = 'success'");
  const mastra = await start("./mastra-server.ts", { databaseUrl: flows.databaseUrl });
  const target = async (child: Child, to: Pick<HttpSubject["target"], "path" | "body" | "wanted">) => ({
    url: (await child.ask<{ url: string }>({ ask: "ready" })).url,
    headers: {},
    ...to,
  });
  const plain = { path: "/commands", body: '{"args":{"n":%n}}', wanted: done };
  const workflow = "/api/workflows/no_op/start-async";
  const subjects: readonly HttpSubject[] = [
    { name: "limit", child: limit, target: await target(limit, plain), stored: byHand.stored },
    { name: "viable", child: viable, target: own, stored: there.stored },
    { name: "@langchain/langgraph", child: langgraph, target: await target(langgraph, plain), stored: graphs.stored },
    {
      name: "@mastra/core",
      child: mastra,
      target: await target(mastra, { path: workflow, body: '{"inputData":{"n":%n}}', wanted: '"status":"success"' }),
      stored: flows.stored,
    },
  ];
  return await measureHttp(options, generator, subjects, { case: "command, 64 clients", noun: "commands" });
}
