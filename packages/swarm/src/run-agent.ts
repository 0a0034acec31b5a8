import type { Clock, Context, JsonValue, Timer } from "@viable/kernel";
import {
  findJsonProblem,
  rootContext,
  sleep,
  toRecordableDetails,
  toRecordableError,
  ViableError,
  withContext,
} from "@viable/kernel";
import type { Log, Projections } from "@viable/log";
import { mayPass } from "@viable/log";
import type { Progress } from "@viable/protocol";
import type { Conflicts } from "@viable/registry";
import type { AccessCounter } from "./access-counter.ts";
import type { AgentContext } from "./agent.ts";
import type { DelegateOptions, DelegateOutcome } from "./delegation.ts";
import type { ExecutionEvent, ExecutionState } from "./execution.ts";
import { holdsClaim } from "./execution.ts";
import type { Executions } from "./executions.ts";
import { createMemory, globalMemoryService } from "./memory-records.ts";
import { readProjection } from "./projection-reader.ts";
import type { Task } from "./task.ts";
import { TaskClaims } from "./task-claims.ts";
import type { CarryOutRun } from "./task-run.ts";
import type { ThreadPool } from "./thread/thread-pool.ts";

/** Progress is kept at most this often, in milliseconds: five a second, so that the log is not drowned. */
const progressEveryMs = 200;
/** Results are events: larger ones belong into a file or a memory, and the result says where. */
const maxResultChars = 4 * 1024 * 1024;

/** How often what a task delegates is asked for again while the database is away, in milliseconds. */
const askAgainMs = 1_000;

/** What running an agent needs from its swarm. */
export interface RunAgentPorts {
  readonly log: Log;
  readonly executions: Executions;
  readonly accesses: AccessCounter;
  readonly projections: Projections;
  readonly conflicts: Conflicts;
  readonly threads: ThreadPool;
  delegate(
    ctx: Context,
    parent: ExecutionState,
    capability: string,
    args: JsonValue,
    options: DelegateOptions,
  ): Promise<DelegateOutcome>;
  readonly carryOutRun: CarryOutRun;
  /** The agent waits for others from now on; call what is returned when it no longer does. */
  onWait(): () => void;
}

/**
 * Runs one task's agent and says how it ended. Cancellation, the deadline and the worker's own end come by `signal`; then, and where
 * it fails when its time is up, the answer is undefined, because somebody else has said, or will say, how the execution ends.
 */
export async function runAgent(
  ctx: Context,
  task: Task,
  signal: AbortSignal,
  ports: RunAgentPorts,
): Promise<ExecutionEvent | undefined> {
  const agentCtx = withContext(ctx, { signal });
  const progress = throttleProgress(ctx.runtime.clock, (latest) => {
    // Progress is a courtesy: whoever lost the claim, or cannot reach the log now, has nothing to tell. What the log would never
    // take has been left out, and says so.
    ports.executions
      .decide(agentCtx, task.state.executionId, (state) =>
        holdsClaim(state, task.claim) ? { type: "execution.progressed", data: latest } : undefined,
      )
      .catch(() => undefined);
  });
  try {
    const input = parseInput(task);
    const result = await (task.agent.isolation.kind === "thread"
      ? ports.threads.run({
          task: {
            module: task.agent.isolation.module,
            agent: task.agent.name,
            input,
            about: {
              executionId: task.state.executionId,
              service: task.state.accepted.service,
              tenant: task.state.tenant,
              attempt: task.claim.attempt,
              deadline: task.state.accepted.deadline,
            },
          },
          maxMemoryMb: task.agent.isolation.maxMemoryMb,
          signal,
          onProgress: progress.report,
        })
      : runInline(agentCtx, task, input, ports, progress.report));
    if (signal.aborted) return undefined;
    return { type: "execution.completed", data: { result: checkResult(result ?? null, task) } };
  } catch (error) {
    // What an agent makes of its deadline is no failure of its own: it has timed out.
    if (signal.aborted || ctx.runtime.clock.now() >= task.state.accepted.deadline) return undefined;
    return { type: "execution.failed", data: { error: toRecordableError(error) } };
  } finally {
    progress.stop();
  }
}

async function runInline(
  ctx: Context,
  task: Task,
  input: unknown,
  ports: RunAgentPorts,
  report: AgentContext["progress"],
): Promise<JsonValue> {
  let hasEnded = false;
  const { state, claim, agent } = task;
  const memoryCtx = rootContext(ctx.runtime, { tenant: state.tenant, principal: ctx.principal, signal: ctx.signal });
  const name = `${state.accepted.service}/${agent.name} ${state.executionId}`;
  const claims = new TaskClaims(ports.conflicts, memoryCtx, name, claim.attempt);
  /** While it waits for others its worker takes up another task. */
  const waiting = async <T>(ask: () => Promise<T>): Promise<T> => {
    const resume = ports.onWait();
    try {
      return await whileAway(ctx, () => hasEnded, ask);
    } finally {
      resume();
    }
  };
  const agentCtx: AgentContext = {
    executionId: state.executionId,
    service: state.accepted.service,
    agent: agent.name,
    tenant: state.tenant,
    principal: state.accepted.authority.principal,
    traceparent: state.traceparent,
    authority: {
      operations: state.accepted.authority.operations,
      clientType: state.accepted.authority.clientType,
      sessionId: state.session,
      ...(state.accepted.authority.isSessionToken && { isSessionToken: true }),
      ...(state.accepted.authority.denied && { denied: state.accepted.authority.denied }),
      ...(state.accepted.authority.resources && { resources: state.accepted.authority.resources }),
      ...(state.accepted.authority.capabilities && { capabilities: state.accepted.authority.capabilities }),
    },
    attempt: claim.attempt,
    deadline: state.accepted.deadline,
    signal: ctx.signal,
    runtime: ctx.runtime,
    progress: report,
    delegate: (capability, args, options = {}) => waiting(() => ports.delegate(ctx, state, capability, args, options)),
    run: (reactor, input, key = "") => waiting(() => ports.carryOutRun(ctx, state, reactor, input, key)),
    claim: (resource, claim) => claims.claim(resource, claim),
    memory: createMemory(ports.log, memoryCtx, state.accepted.service, ports.accesses),
    globalMemory: createMemory(ports.log, memoryCtx, globalMemoryService, ports.accesses),
    projection: (name) => readProjection(memoryCtx, ports.log, ports.projections, name),
  };
  try {
    // An agent that ignores its signal must not keep the worker: it goes on alone, and what it says no longer counts.
    return await raceAbort(ctx.signal, async () => agent.handle(agentCtx, input as never));
  } finally {
    hasEnded = true;
    claims.end();
  }
}

/**
 * Asks again while the database is away, for as long as the task has time and its agent has not ended: what was asked before is found then,
 * and not done twice.
 */
async function whileAway<T>(ctx: Context, hasEnded: () => boolean, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!mayPass(error) || ctx.signal.aborted) throw error;
      await sleep(ctx, askAgainMs);
      if (hasEnded()) throw error;
    }
  }
}

function raceAbort<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    run()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** Arguments were checked when the task was accepted; the agent may have changed since, and defaults are filled in here. */
function parseInput(task: Task): unknown {
  const parsed = task.agent.input.safeParse(task.state.accepted.args);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = ["args", ...(issue?.path ?? [])].map(String).join(".");
  throw new ViableError("agent.invalid_input", `${at}: ${issue?.message ?? "does not fit"}`, {
    next: "The agent had other arguments where this was accepted: that was before a change, or in a process of another release. Send the command again once all that run the service are of one release.",
  });
}

function checkResult(result: JsonValue, task: Task): JsonValue {
  // As it will be written: the event around it is a level of its own.
  const problem = findJsonProblem({ result }, "outcome");
  if (problem !== undefined) {
    throw new ViableError(
      "agent.invalid_result",
      `The agent "${task.agent.name}" returned what cannot be kept: ${problem.path}: ${problem.reason}.`,
    );
  }
  const chars = JSON.stringify(result).length;
  if (chars > maxResultChars) {
    throw new ViableError(
      "agent.result_too_large",
      `The agent "${task.agent.name}" returned ${chars} characters of JSON; ${maxResultChars} can be kept.`,
      { next: "Return less, or keep the bulk in a file or in memory and return where." },
    );
  }
  return result;
}

/** Passes on the first report at once and then the latest of each interval. */
function throttleProgress(clock: Clock, send: (progress: Progress) => void) {
  let timer: Timer | undefined;
  let latest: Progress | undefined;
  const flush = () => {
    timer = undefined;
    if (latest === undefined) return;
    const { metadata, ...progress } = latest;
    latest = undefined;
    timer = clock.setTimer(flush, progressEveryMs, { background: true });
    send({
      ...progress,
      ...(metadata !== undefined && { metadata: toRecordableDetails(metadata, "metadata") }),
    });
  };
  return {
    report(percent: number, message: string, metadata?: { readonly [key: string]: JsonValue }) {
      latest = {
        percent: Number.isFinite(percent) ? Math.min(100, Math.max(0, percent)) : 0,
        message: String(message).slice(0, 500),
        ...(metadata !== undefined && { metadata: { ...metadata } }),
      };
      if (timer === undefined) flush();
    },
    stop() {
      timer?.cancel();
      latest = undefined;
    },
  };
}
