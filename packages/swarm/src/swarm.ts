import type { Membership } from "@viable/cluster";
import { readEnd } from "@viable/cluster";
import type { Context, JsonValue, Runtime, Timer } from "@viable/kernel";
import { createTurns, rootContext, sleep, toRecordableError, toWire, ViableError } from "@viable/kernel";
import type { Log, Projections } from "@viable/log";
import { mayPass } from "@viable/log";
import type { SwarmMeasurement, SwarmView } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";
import type { Conflicts, Registered, Registry } from "@viable/registry";
import type { Child, ChildSpec, Supervisor, SupervisorEvent } from "@viable/supervisor";
import { supervise } from "@viable/supervisor";
import type { AccessCounter } from "./access-counter.ts";
import type { DelegateOptions, DelegateOutcome } from "./delegation.ts";
import type { ExecutionEvent, ExecutionState } from "./execution.ts";
import { holdsClaim } from "./execution.ts";
import type { Executions } from "./executions.ts";
import { HealthMonitor } from "./health-monitor.ts";
import type { Queen } from "./queen.ts";
import { chooseAgent, createQueen, sweepEveryMs, workContext } from "./queen.ts";
import { runAgent } from "./run-agent.ts";
import type { ServiceDefinition } from "./service.ts";
import type { Task } from "./task.ts";
import type { CarryOutRun } from "./task-run.ts";
import type { ThreadPool } from "./thread/thread-pool.ts";
import { giveBackMs, WorkerPool } from "./worker-pool.ts";

export interface SwarmSettings {
  readonly service: ServiceDefinition;
  readonly runtime: Runtime;
  readonly log: Log;
  readonly registry: Registry;
  readonly membership: Membership;
  readonly executions: Executions;
  readonly threads: ThreadPool;
  /** The process's one: counts what agents read of memory. */
  readonly accesses: AccessCounter;
  readonly projections: Projections;
  /** Settles who may have what, among all tasks of all processes. */
  readonly conflicts: Conflicts;
  /** Where the service answers for itself; undefined where it has no listener. */
  readonly healthUrl?: string | undefined;
  readonly metricsUrl?: string | undefined;
  /** Whether the process stops: what its workers lose from then on is for others to begin again. */
  isStopping(): boolean;
  /** How long workers may go on with what they hold when the swarm is stopped or scaled down, in milliseconds. */
  readonly drainMs: number;
  delegate(
    ctx: Context,
    parent: ExecutionState,
    capability: string,
    args: JsonValue,
    options: DelegateOptions,
  ): Promise<DelegateOutcome>;
  readonly carryOutRun: CarryOutRun;
  onEvent?(event: SupervisorEvent): void;
  /** Told in a sentence of what went wrong and shows nowhere else. */
  onProblem?(message: string): void;
}

/** How long a part that holds no tasks may take to stop, in milliseconds: an append or two. */
const partStopMs = 5_000;
const maxWorkers = 1_000;
/** How often an outcome is tried to be recorded while the database does not take it, in milliseconds. */
const recordAgainMs = 1_000;
/** The same of its entry, where a drain is undone. */
const registerAgainMs = 1_000;

/** The ids of a swarm's parts, in the order they start. */
export const swarmParts = ["memory", "workers", "queen", "health-monitor", "meta-client"] as const;
export type SwarmPartId = (typeof swarmParts)[number];

/**
 * One service's swarm in this process: memory, worker pool, queen, health monitor and meta client under one supervisor (S1).
 * Any of them may be killed; it is restarted by the declared strategy, and what was under way in it is taken up again from the log.
 */
export interface Swarm {
  readonly service: ServiceDefinition;
  /** The swarm as a child of the system's supervisor, which starts, stops and restarts it. */
  childSpec(): ChildSpec;
  /** Begins an execution that was claimed for this process with its acceptance, or gives it back. */
  take(state: ExecutionState): void;
  /** Whether a task taken now would find a worker or a place in the queue. */
  readonly hasRoom: boolean;
  /** Keeps a place for a task that is about to be accepted; undefined where there is none. */
  reserve(executionId: string): (() => void) | undefined;
  status(): SwarmView;
  measure(): SwarmMeasurement;
  /** Kills a part or a worker as a crash would: it is restarted by the supervisor. */
  kill(part: string, reason: string): void;
  /**
   * Has it asked for nothing more, or for as much as before. What it holds comes to its end. Holds for as long as this swarm: one of a service
   * that moves begins undrained. Undone while the log is overloaded or away, it is tried again within the context. Rejects where it could not be
   * recorded, and can be asked for again: what was to be drained is from then on, but others may know of it only once its entry has expired;
   * what was to be undone stays drained.
   */
  drain(ctx: Context, isDrained: boolean): Promise<void>;
  readonly isDrained: boolean;
  /** Has other processes ask it for nothing more, since this one stops; what it holds may still ask it. Rejects where that is not recorded in time. */
  leave(ctx: Context): Promise<void>;
  /** Sets how many workers take tasks, 1 to 1,000. Those too many finish what they hold, as in a drain; that is not waited for. */
  scale(ctx: Context, workers: number): Promise<void>;
}

export function createSwarm(settings: SwarmSettings): Swarm {
  const { service, runtime, executions, log, membership, registry, drainMs } = settings;
  let health = new HealthMonitor(runtime.clock);
  let queen: Queen | undefined;
  let registered: Registered | undefined;
  /** Withdrawn, and perhaps not out of the records yet. */
  let leaving: Registered | undefined;
  let isMetaClientUp = false;
  /** It is to be asked for nothing more. */
  let isDrained = false;

  /** Whether the last outcome was not taken: that is said once, not each second for every task. */
  let refusing = false;
  /**
   * Records an outcome, for as long as the task is this worker's and has time: a database that is away for a while, or has no space,
   * does not make it work twice. One that the log will never take is replaced by a failure that says so. Throws where none was taken by
   * the deadline, and then the execution times out.
   */
  const recordOutcome = async (task: Task, event: ExecutionEvent, signal: AbortSignal): Promise<void> => {
    const principal = `agent:${service.name}/${task.agent.name}`;
    const ctx = rootContext(runtime, { tenant: task.state.tenant, principal, signal });
    let outcome = event;
    for (;;) {
      try {
        await executions.decide(ctx, task.state.executionId, (now) =>
          holdsClaim(now, task.claim) ? outcome : undefined,
        );
        refusing = false;
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!mayPass(error) && outcome === event) {
          outcome = unrecordable(task, error);
          continue;
        }
        if (!mayPass(error) || runtime.clock.now() >= task.state.accepted.deadline) throw error;
        if (!refusing) {
          refusing = true;
          settings.onProblem?.(
            `${service.name} cannot record outcomes and tries again each second: ${toWire(error).message}`,
          );
        }
        await sleep(ctx, recordAgainMs).catch(() => undefined);
      }
    }
  };

  /** Claims that are on their way back, to be waited for before the swarm has stopped. */
  const releases = new Set<Promise<unknown>>();
  /** What is given back is nothing to wait with until it runs here again. */
  const isLeft = () => settings.isStopping() || pool.isClosed;
  const giveBack = (task: Pick<Task, "state" | "claim">, reason: string, leaves = isLeft()) => {
    const releasing = executions
      .decide(rootContext(runtime, { tenant: task.state.tenant }), task.state.executionId, (now) =>
        holdsClaim(now, task.claim)
          ? {
              type: "execution.released",
              data: { processId: membership.processId, reason, ...(leaves && { leaves: true as const }) },
            }
          : undefined,
      )
      // Not given back it is retaken all the same, by the next sweep or once this process is seen to be gone; then the attempt counts.
      .catch(() => undefined)
      .finally(() => releases.delete(releasing));
    releases.add(releasing);
  };
  const pool = new WorkerPool({
    maxQueued: service.maxQueued,
    drainMs,
    onOver({ state: { executionId, version } }, callback) {
      const over = (state: ExecutionState) => callback(abortedBy(state));
      const stops = [
        executions.onSettled(executionId, over),
        // An older claim may be heard of only now; a newer one of this process, under its next epoch, goes on with the same run.
        executions.onClaimed(executionId, (state) => {
          if (state.version > version && state.claim?.processId !== membership.processId) over(state);
        }),
      ];
      return () => {
        for (const stop of stops) stop();
      };
    },
    carryOut: async (task, { signal, onWait, onDone }) => {
      const startedMs = runtime.clock.monotonicMs();
      // It may have ended on its way here, before anybody listened: then its agent must not begin.
      const now = await executions.get(rootContext(runtime, { tenant: task.state.tenant }), task.state.executionId);
      if (now === undefined || !holdsClaim(now, task.claim)) return;
      const event = await runAgent(workContext(rootContext(runtime), task.state, task.agent), task, signal, {
        log,
        executions,
        threads: settings.threads,
        accesses: settings.accesses,
        projections: settings.projections,
        conflicts: settings.conflicts,
        delegate: settings.delegate,
        carryOutRun: settings.carryOutRun,
        onWait,
      });
      if (event === undefined) return;
      health.record(event.type === "execution.completed", runtime.clock.monotonicMs() - startedMs);
      onDone();
      await recordOutcome(task, event, signal);
    },
    onFailed: (task, error) =>
      settings.onProblem?.(`The outcome of ${task.state.executionId} could not be recorded: ${toWire(error).message}`),
    onUnfinished: (task) => giveBack(task, "its worker stops"),
    onLost: (task) => {
      if (settings.isStopping()) giveBack(task, "its process stops");
      // Without a queen there may never be one here again; where there is, she finds it given back.
      else if (queen === undefined) giveBack(task, "its worker is gone, and its swarm has no queen");
      else void queen.claim(rootContext(runtime), task.state.executionId).catch(() => undefined);
    },
  });
  const handOver = (task: Task) => {
    if (!pool.offer(task)) giveBack(task, pool.isClosed ? "its swarm has ended" : "the queue is full");
  };

  let supervisor: Supervisor | undefined;
  let workers: Supervisor | undefined;
  /** The workers that are to stay, by id. Those that are too many finish what they hold and are not among them. */
  let crew = Array.from({ length: service.workers }, (_, index) => workerId(index + 1));
  const scaling = createTurns();
  const onEvent = settings.onEvent === undefined ? {} : { onEvent: settings.onEvent };
  const setWorkers = async (ctx: Context, count: number): Promise<void> => {
    const tooMany = crew.slice(count);
    crew = crew.slice(0, count);
    // Nobody waits until they are gone: whoever asks may be a task that one of them holds.
    for (const id of tooMany) void workers?.remove(rootContext(runtime), id);
    for (let number = 1; crew.length < count; number++) {
      const id = workerId(number);
      if (crew.includes(id) || workers?.child(id) !== undefined) continue;
      await workers?.add(ctx, pool.workerSpec(id));
      crew = [...crew, id];
    }
  };

  const register = async (ctx: Context): Promise<void> => {
    registered = await registry.register(
      ctx,
      {
        service: service.name,
        capabilities: [...service.capabilities, ...service.queries.map(({ name }) => name)],
        processId: membership.processId,
        epoch: membership.epoch,
        version: service.version,
        tags: [...service.tags],
        ...(service.subsystem !== undefined && { subsystem: service.subsystem }),
        ...(service.tenants !== undefined && { tenants: [...service.tenants] }),
        ...(service.legacy && { legacy: true }),
        ...(settings.healthUrl !== undefined && { healthUrl: settings.healthUrl }),
        ...(settings.metricsUrl !== undefined && { metricsUrl: settings.metricsUrl }),
      },
      () => self.measure(),
    );
  };
  const withdraw = async (ctx: Context): Promise<void> => {
    leaving = registered ?? leaving;
    registered = undefined;
    await leaving?.withdraw(ctx);
    leaving = undefined;
  };
  const undoDrain = async (ctx: Context): Promise<void> => {
    // Where the meta client does not run, what starts it registers.
    while (isMetaClientUp) {
      try {
        await register(ctx);
        break;
      } catch (error) {
        if (!mayPass(error)) throw error;
        await sleep(ctx, registerAgainMs);
      }
    }
    isDrained = false;
    // It stopped meanwhile, and left nothing to be asked.
    if (!isMetaClientUp) await withdraw(ctx);
  };

  const parts: Record<SwarmPartId, (ctx: Context) => Promise<Child>> = {
    // Memory is kept in the log's records: this part proves at start that it can be read.
    memory: async (ctx) => {
      await log.listRecords(ctx, `memory/${ctx.tenant}/${service.name}/`, { limit: 1 });
      return idleChild(ctx);
    },
    workers: async (ctx) => {
      const started = supervise({
        name: `${service.name}/workers`,
        strategy: "one-for-one",
        children: crew.map((id) => pool.workerSpec(id)),
        ...onEvent,
      });
      await started.start(ctx);
      workers = started;
      return {
        done: started.done,
        async stop(stopCtx) {
          await pool.drain(stopCtx);
          await started.stop(stopCtx);
          pool.handBackQueue();
          await Promise.all(releases);
        },
      };
    },
    queen: async (ctx) => {
      const reigning = createQueen(service, {
        executions,
        membership,
        pool,
        handOver,
        howEnded: (queenCtx, processId) => readEnd(queenCtx, log, processId),
        onProblem: (message) => settings.onProblem?.(message),
      });
      queen = reigning;
      const onWork = (state: ExecutionState) => {
        const { service: wanted, command } = state.accepted;
        // Without room it would be given back at once; the sweep finds it when there is some.
        const isWork = wanted === service.name && state.status === "pending" && pool.hasRoom;
        if (isWork && chooseAgent(service, command) !== undefined)
          void reigning.claim(rootContext(runtime), state.executionId).catch(() => undefined);
      };
      const stopListening = executions.onWork(onWork);
      const sweep = repeat(ctx, sweepEveryMs, () => reigning.sweep(rootContext(runtime)));
      const dethrone = () => {
        stopListening();
        sweep.stop();
        if (queen === reigning) queen = undefined;
      };
      ctx.signal.addEventListener("abort", dethrone, { once: true });
      return { done: Promise.race([sweep.done, endOfLife(ctx)]), stop: async () => dethrone() };
    },
    "health-monitor": async (ctx) => {
      health = new HealthMonitor(runtime.clock);
      return idleChild(ctx);
    },
    "meta-client": async (ctx) => {
      if (!isDrained) await register(ctx);
      // Also where it was drained meanwhile.
      if (isDrained) await withdraw(ctx);
      isMetaClientUp = true;
      const goDown = () => {
        isMetaClientUp = false;
      };
      ctx.signal.addEventListener("abort", goDown, { once: true });
      return {
        done: endOfLife(ctx),
        stop(stopCtx) {
          goDown();
          return withdraw(stopCtx);
        },
      };
    },
  };

  /** Workers have their drain, and as long to give back what is left of it as each of them has. */
  const stopWithinMs = (id: SwarmPartId): number => (id === "workers" ? drainMs + 2 * giveBackMs : partStopMs);

  const startTree = async (ctx: Context): Promise<Supervisor> => {
    pool.open();
    // What a queen or an acceptance has on its way would else be claimed and in no hand, in a process that may live on.
    ctx.signal.addEventListener("abort", () => pool.close(), { once: true });
    const tree = supervise({
      name: service.name,
      strategy: service.supervision,
      children: swarmParts.map(
        (id): ChildSpec => ({ id, restart: "permanent", stopWithinMs: stopWithinMs(id), start: parts[id] }),
      ),
      ...onEvent,
    });
    await tree.start(ctx);
    supervisor = tree;
    return tree;
  };

  const self: Swarm = {
    service,
    childSpec: () => ({
      id: service.name,
      restart: "permanent",
      // Its parts stop one after the other.
      stopWithinMs: swarmParts.reduce((sum, id) => sum + stopWithinMs(id), 0),
      start: startTree,
    }),
    take(state) {
      const agent = chooseAgent(service, state.accepted.command);
      const { claim } = state;
      // Asked for twice, as when a message comes again, it is begun once.
      if (claim === undefined || pool.has(state.executionId)) return;
      if (agent !== undefined) handOver({ state, claim, agent });
      else giveBack({ state, claim }, "its process does not know the capability", true);
    },
    get hasRoom() {
      return pool.hasRoom;
    },
    reserve: (executionId) => pool.reserve(executionId),
    measure: () => health.measure(pool),
    status() {
      const children = supervisor?.children() ?? [];
      const reasons = health.reasons({ workers: pool.workers, queued: pool.queued, maxQueued: service.maxQueued });
      for (const child of children) if (child.state !== "running") reasons.push(`${child.id} is ${child.state}`);
      if (isDrained) reasons.push("drained: it is asked for nothing more");
      else if (registered === undefined) reasons.push("not registered");
      const toPart = ({ id, state, restarts, lastError }: (typeof children)[number]) => ({
        id,
        state,
        restarts,
        ...(lastError !== undefined && {
          lastError: String(lastError instanceof Error ? lastError.message : lastError),
        }),
      });
      return {
        service: service.name,
        description: service.description,
        processId: membership.processId,
        status: children.length === 0 ? "stopped" : reasons.length === 0 ? "healthy" : "degraded",
        reasons,
        capabilities: [...service.capabilities],
        ...(service.tenants !== undefined && { tenants: [...service.tenants] }),
        agents: service.agents.map(({ name, capability, isolation }) => ({
          name,
          capability,
          isolation: isolation.kind,
        })),
        measurement: self.measure(),
        parts: children.map(toPart),
        workers: (workers?.children() ?? []).map(toPart),
        ...(settings.healthUrl !== undefined && { healthUrl: settings.healthUrl }),
        ...(settings.metricsUrl !== undefined && { metricsUrl: settings.metricsUrl }),
      };
    },
    kill(part, reason) {
      if (supervisor?.kill(part, reason) === true || workers?.kill(part, reason) === true) return;
      const known = [...swarmParts, ...(workers?.children() ?? []).map((child) => child.id)].join(", ");
      throw new ViableError("swarm.unknown_part", `${service.name} has no running part "${part}".`, {
        next: `It has ${known}.`,
      });
    },
    get isDrained() {
      return isDrained;
    },
    async leave(ctx) {
      await registered?.leave(ctx);
    },
    async drain(ctx, wanted) {
      await scaling.take(service.name, async () => {
        if (!wanted) return isDrained ? await undoDrain(ctx) : undefined;
        isDrained = true;
        await withdraw(ctx);
      });
    },
    async scale(ctx, count) {
      if (!Number.isInteger(count) || count < 1 || count > maxWorkers) {
        throw new ViableError("swarm.invalid_scale", `A swarm has 1 to ${maxWorkers} workers.`);
      }
      await scaling.take(service.name, () => setWorkers(ctx, count));
    },
  };
  return self;
}

const unrecordable = (task: Task, error: unknown): ExecutionEvent => ({
  type: "execution.failed",
  data: {
    error: {
      code: "agent.unrecordable_outcome",
      message: `The agent "${task.agent.name}" ended, but how cannot be recorded: ${toRecordableError(error).message}`,
      next: "Look at what the agent returns or throws. It has done its work: mind that before the command is sent again.",
      retryable: false,
    },
  },
});

const abortedBy = (state: ExecutionState): ViableError =>
  new ViableError(
    `execution.${isOutcome(state.status) ? state.status : "taken_over"}`,
    state.error?.message ??
      (isOutcome(state.status)
        ? "Its outcome is settled."
        : "Another process has claimed it: this one was held for gone."),
  );

/** Settles, as a crash, when the child's life is ended from outside: a part without a loop of its own has no other end. */
function endOfLife(ctx: Context): Promise<void> {
  return new Promise((_, reject) => {
    ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true });
  });
}

const idleChild = (ctx: Context): Child => ({ done: endOfLife(ctx), stop: async () => {} });

const workerId = (number: number): string => `worker-${number}`;

/** Does something again and again, with a pause between, until stopped; a failure ends it and is its `done`. */
function repeat(ctx: Context, everyMs: number, act: () => Promise<void>): { done: Promise<void>; stop(): void } {
  let timer: Timer | undefined;
  let stopped = false;
  const done = new Promise<void>((_, reject) => {
    const turn = () => {
      act().then(
        () => {
          if (!stopped) timer = ctx.runtime.clock.setTimer(turn, everyMs, { background: true });
        },
        (error) => {
          if (!stopped) reject(error);
        },
      );
    };
    turn();
  });
  return {
    done,
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
