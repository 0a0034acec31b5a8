// The subject `@langchain/langgraph`: graphs with its checkpointer on the same server, in a process of its own.
import { performance } from "node:perf_hooks";
import { createRuntime } from "@viable/kernel";
import type { Place } from "../harness/bare-database.ts";
import { openBarePool } from "../harness/bare-database.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import { watchProcess } from "../harness/watch-process.ts";
import type { Numbered } from "./numbered.ts";
import { checkJoined, elementsOf } from "./numbered.ts";
import type { RunLoad } from "./run-load.ts";
import { driveRuns } from "./run-load.ts";

interface Graph {
  addNode<State>(name: string, run: (state: State) => object): Graph;
  addEdge(from: string, to: string): Graph;
  addConditionalEdges<State>(from: string, choose: (state: State) => unknown, to: readonly string[]): Graph;
  compile(options: { checkpointer: object }): { invoke<State>(input: State, options: object): Promise<State> };
}
type Annotate = (options?: { reducer(before: unknown, after: unknown): unknown; default(): unknown }) => object;
interface LangGraph {
  readonly StateGraph: new (state: object) => Graph;
  readonly Annotation: Annotate & { Root(channels: Readonly<Record<string, object>>): object };
  readonly Send: new (node: string, state: object) => object;
  readonly START: string;
  readonly END: string;
}
interface CheckpointPostgres {
  readonly PostgresSaver: new (pool: object) => { setup(): Promise<void> };
}

// Nothing of a run is sent to anybody: it is off by default, and what stands in the environment of whoever measures stays out.
process.env.LANGSMITH_TRACING = "false";
process.env.LANGCHAIN_TRACING_V2 = "false";

const { StateGraph, Annotation, Send, START, END } = loadPeer<LangGraph>("@langchain/langgraph");
const { PostgresSaver } = loadPeer<CheckpointPostgres>("@langchain/langgraph-checkpoint-postgres");
const { databaseUrl } = readSettings<Place>();
const runtime = createRuntime();

/** Twice what a pool of `pg` has by itself: 10 and 50 made no difference that could be told from chance. */
const maxConnections = 20;
const checkpointer = new PostgresSaver(await openBarePool(databaseUrl as string, maxConnections));
await checkpointer.setup();

/**
 * `sync`: it answers when all of a run's checkpoints are durable. In this release it does not wait for one before it begins the next step,
 * as everybody else here does; it has no setting that would.
 */
const durable = () => ({ configurable: { thread_id: runtime.ids.next("run") }, durability: "sync" });

/** A graph of so many steps, one after the other. */
function chain(steps: number) {
  const graph = new StateGraph(Annotation.Root({ n: Annotation() }));
  for (let step = 1; step <= steps; step++) {
    graph.addNode<Numbered>(`s${step}`, ({ n }) => ({ n: n + 1 }));
    graph.addEdge(step === 1 ? START : `s${step - 1}`, `s${step}`);
  }
  return graph.addEdge(`s${steps}`, END).compile({ checkpointer });
}
const chains = new Map([3, 5].map((steps) => [steps, chain(steps)]));

interface Fan {
  readonly elements: readonly number[];
  readonly joined: readonly Numbered[];
}
const append = {
  reducer: (before: unknown, after: unknown) => [...(before as []), ...(after as [])],
  default: () => [],
};
const fan = new StateGraph(Annotation.Root({ elements: Annotation(), joined: Annotation(append) }))
  .addNode<Numbered>("one", ({ n }) => ({ joined: [{ n: n + 1 }] }))
  .addNode("join", () => ({}))
  .addConditionalEdges<Fan>(START, ({ elements }) => elements.map((n) => new Send("one", { n })), ["one"])
  .addEdge("one", "join")
  .addEdge("join", END)
  .compile({ checkpointer });

answerParent({
  ready: () => true,
  run: ({ load }: { load: RunLoad }) =>
    driveRuns(load, async (steps, n) => {
      const graph = chains.get(steps) as ReturnType<typeof chain>;
      return (await graph.invoke<Numbered>({ n }, durable())).n;
    }),
  fanOut: async ({ count }: { count: number }) => {
    const beganMs = performance.now();
    const { joined } = await fan.invoke<Fan>({ elements: elementsOf(count), joined: [] }, durable());
    const ms = performance.now() - beganMs;
    checkJoined(joined, count);
    return ms;
  },
  ...watchProcess(),
});
