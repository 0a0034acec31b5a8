// A question that is authorised and answered at once, over HTTP. Beside us a bare Hono route that looks its token up.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startChild } from "../harness/child.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { HttpSubject } from "./measure-http.ts";
import { measureHttp } from "./measure-http.ts";
import type { BenchSession } from "./open-bench-session.ts";
import { openBenchSession } from "./open-bench-session.ts";

export async function measureQueries(options: BenchOptions): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "viable-bench-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const generator = stack.use(await startChild(new URL("../harness/load-generator.ts", import.meta.url), {}));
  const server = stack.use(await startDurable());
  const viable = stack.use(
    await startChild(new URL("./viable-gateway.ts", import.meta.url), {
      stateDir: folder,
      databaseUrl: await server.createDatabase(),
    }),
  );
  const limit = stack.use(await startChild(new URL("./query-limit-server.ts", import.meta.url), {}));
  const target = ({ url, sessionId, token }: BenchSession): HttpSubject["target"] => ({
    url,
    path: `/v1/sessions/${sessionId}/queries`,
    headers: { Authorization: `Bearer ${token}` },
    body: '{"query":"next.ask","args":{"n":%n}}',
    wanted: '"answeredBy":{"service":"bench"',
  });
  const subjects: readonly HttpSubject[] = [
    { name: "limit", child: limit, target: target(await limit.ask<BenchSession>({ ask: "ready" })) },
    { name: "viable", child: viable, target: target(await openBenchSession(viable)) },
  ];
  return await measureHttp(options, generator, subjects, { case: "query, 64 clients", noun: "queries" });
}
