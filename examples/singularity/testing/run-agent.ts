import type { Context, JsonObject, JsonValue, Runtime } from "@viable/kernel";
import { createRuntime, findJsonProblem, rootContext } from "@viable/kernel";
import { createLog, createMemoryStore, createProjections, type Log } from "@viable/log";
import { createMemory, readProjection } from "@viable/swarm";
import type { AgentContext, AgentDefinition, DelegateOutcome } from "viable";

export interface AgentBench extends AsyncDisposable {
  readonly ctx: Context;
  readonly log: Log;
  /** What the agents told of their progress, in order. */
  readonly progress: { percent: number; message: string }[];
  /** Runs an agent as its worker would: arguments are parsed, the result must be plain JSON. Each run is an execution of its own unless told. */
  run(agent: AgentDefinition, args: JsonValue, options?: RunOptions): Promise<JsonObject>;
}

export interface RunOptions {
  readonly executionId?: string;
  readonly tenant?: string;
  readonly signal?: AbortSignal;
  readonly authority?: AgentContext["authority"];
  /** For agents that wait: the time they live in. The bench's own, which is real, unless given. */
  readonly runtime?: Runtime;
  readonly delegate?: (capability: string, args: JsonValue) => Promise<DelegateOutcome>;
}

/** Runs agents one by one, on a memory that is the real one over a log in memory. */
export async function openBench(): Promise<AgentBench> {
  const runtime = createRuntime();
  const log = createLog(createMemoryStore(), runtime);
  const ctx = rootContext(runtime);
  await log.start(ctx);
  const progress: AgentBench["progress"] = [];
  return {
    ctx,
    log,
    progress,
    async run(agent, args, options = {}) {
      const { tenant = ctx.tenant, signal = new AbortController().signal, runtime: agentRuntime = runtime } = options;
      const memoryCtx = rootContext(runtime, { tenant });
      const agentCtx: AgentContext = {
        executionId: options.executionId ?? runtime.ids.next("exe"),
        service: "bench",
        agent: agent.name,
        tenant,
        principal: "owner",
        authority: options.authority ?? {
          operations: ["read", "write", "execute"],
          clientType: "cli",
          sessionId: undefined,
        },
        attempt: 1,
        deadline: agentRuntime.clock.now() + agent.timeoutMs,
        signal,
        runtime: agentRuntime,
        progress: (percent, message) => progress.push({ percent, message }),
        delegate: async (capability, delegated) => {
          if (options.delegate === undefined) throw new Error(`${agent.name} delegates ${capability} to nobody`);
          return await options.delegate(capability, delegated);
        },
        run: (reactor) => {
          throw new Error(
            `${agent.name} has a run of ${reactor} do its work, and there is nobody here to carry it out`,
          );
        },
        claim: (resource) => {
          throw new Error(`${agent.name} claims ${resource}, and there is nobody here to claim it from`);
        },
        memory: createMemory(log, memoryCtx, "bench"),
        globalMemory: createMemory(log, memoryCtx, "@global"),
        projection: (name) => readProjection(memoryCtx, log, createProjections(log, []), name),
      };
      const result = (await agent.handle(agentCtx, agent.input.parse(args) as never)) as JsonObject;
      const problem = findJsonProblem(result);
      if (problem !== undefined) throw new Error(`${problem.path}: ${problem.reason}`);
      return JSON.parse(JSON.stringify(result)) as JsonObject;
    },
    [Symbol.asyncDispose]: async () => await log.stop(ctx),
  };
}
