// Questions to another process over NATS, of which nothing is recorded.
import { startNats } from "@viable/bus-nats/testing";
import { startChild } from "../harness/child.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import { measureCalls } from "./measure-calls.ts";
import { startPart, untilOffered } from "./start-part.ts";

/** Measures two processes of ours, by hand, and of Moleculer, all over one NATS server. */
export async function measureRemoteQueries(options: BenchOptions): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startDurable());
  const [natsUrl] = stack.use(await startNats()).urls;
  const moduleOf = (file: string) => new URL(file, import.meta.url);
  const pair = async (file: string, more: object) => {
    const other = stack.use(await startChild(moduleOf(file), { natsUrl, answers: true, ...more }));
    const calling = stack.use(await startChild(moduleOf(file), { natsUrl, answers: false, ...more }));
    return { calling, others: [other], question: { ask: "ask" } };
  };
  const databaseUrl = await server.createDatabase();
  const answering = stack.use(await startPart({ databaseUrl, natsUrl, services: ["answerer"] }));
  const asking = stack.use(await startPart({ databaseUrl, natsUrl, services: [] }));
  await untilOffered(asking, "next.ask", 1);
  const subjects = [
    { name: "limit", ...(await pair("./limit-pair.ts", {})) },
    { name: "viable", calling: asking, others: [answering], question: { ask: "ask" } },
    { name: "moleculer, bare", ...(await pair("./moleculer-part.ts", { isFull: false, namespace: "bare" })) },
    {
      name: "moleculer, equal features",
      ...(await pair("./moleculer-part.ts", { isFull: true, namespace: "full" })),
    },
  ];
  return (await measureCalls(options, "remote query", subjects, [1, 64], { one: "query", many: "queries" })).rows;
}
