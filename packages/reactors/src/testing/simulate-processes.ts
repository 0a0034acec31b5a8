import type { Membership } from "@viable/cluster";
import { joinCluster } from "@viable/cluster";
import type { Context, JsonValue, Random, SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { EncodedAppend, Log, Store } from "@viable/log";
import { createLog, createMemoryStore, storeUnavailable } from "@viable/log";
import type { RunEvent } from "@viable/protocol";
import type { Begun, ForkOptions } from "../begin-run.ts";
import type { ReactorDefinition } from "../definition.ts";
import type { DoTask, TaskRequest } from "../do-task.ts";
import { reactorEventTypes } from "../event-types.ts";
import type { Reactors } from "../reactors.ts";
import { createReactors } from "../reactors.ts";
import { isEnding } from "../read-run.ts";
import { isRunStream } from "../run-journal.ts";
import { ProcessClock } from "./process-clock.ts";
import { processStore } from "./process-store.ts";
import type { Recorded } from "./record-runs.ts";
import { RunRecorder } from "./record-runs.ts";
import { settled, watch } from "./settled.ts";
import type { FunctionCall, FunctionRole } from "./wrap-functions.ts";
import { wrapFunctions } from "./wrap-functions.ts";

const leaseMs = 10_000;
/** A day of simulated time: longer than anything here lasts. */
const defaultMaxMs = 24 * 3_600_000;

/** A place at which a process can be stopped: around each append to a run, and around each call of a function with effects. */
export interface Breakpoint {
  /** Its number, from 0, among all that were passed. */
  readonly index: number;
  readonly process: SimulatedProcess;
  readonly kind: "append" | "effect";
  /** An append has not reached the database, or has happened and is not answered; an effect has not happened, or its answer is not known. */
  readonly when: "before" | "after";
  /** For people. */
  readonly what: string;
}

/** What becomes of the process at a breakpoint. */
export type Fate = "go" | "kill" | "pause";

/** A call of a function, or a task that was asked for, as the world outside saw it. */
export interface SeenCall {
  readonly process: string;
  readonly role: FunctionRole | "task";
  readonly runId: string;
  readonly step: string;
  readonly attempt: number;
  /** Undefined for a task. */
  readonly fencingToken: number | undefined;
  /** How many events of the run were durable when it was made. */
  readonly durable: number;
  readonly atMs: number;
  /** The process was stopped as it was about to make it. */
  readonly wasStopped: boolean;
}

export interface SimulationOptions {
  readonly seed: number;
  readonly definitions: readonly ReactorDefinition[];
  /** How many are started at once. Default 2. */
  readonly processes?: number;
  readonly pools?: { readonly [name: string]: number };
  readonly doTask?: DoTask;
  /** Decides at each breakpoint. Default: all go on. */
  readonly fate?: (point: Breakpoint) => Fate;
  /** How long an append is on its way, and its answer, in milliseconds at most. Default 0. */
  readonly maxLatencyMs?: number;
  /** Told of each event of a run as it becomes durable, whether or not a process hears of it. */
  readonly onRecorded?: (runId: string, recorded: Recorded) => void;
}

/** A process: a log, a membership and reactors of its own, on the store that all share. */
export class SimulatedProcess {
  readonly name: string;
  readonly clock: ProcessClock;
  readonly ctx: Context;
  readonly log: Log;
  readonly membership: Membership;
  readonly reactors: Reactors;
  /** What it could not tell anybody else. */
  readonly problems: string[] = [];
  /** Its way to the database: cut, calls fail as they do where a server is away. */
  readonly link = { up: true };

  constructor(world: ProcessWorld, name: string, definitions: readonly ReactorDefinition[], random: Random) {
    const { doTask } = world.options;
    this.name = name;
    this.clock = new ProcessClock(world.time);
    const runtime = createRuntime({ clock: this.clock, random });
    this.ctx = rootContext(runtime);
    this.log = createLog(world.linkOf(this), runtime, { types: reactorEventTypes });
    this.membership = joinCluster({ log: this.log, runtime, hosts: ["reactors"], leaseMs });
    this.reactors = createReactors({
      log: this.log,
      runtime,
      membership: this.membership,
      definitions: definitions.map((each) => wrapFunctions(each, (call, run) => world.callFrom(this, call, run))),
      pools: world.options.pools ?? {},
      ...(doTask !== undefined && {
        doTask: (ctx, request) => world.taskFrom(this, request, () => doTask(ctx, request)),
      }),
      onProblem: (message) => this.problems.push(message),
    });
  }

  get state(): "running" | "paused" | "dead" {
    return this.clock.state;
  }

  /** From here on none of its appends happens or is answered, none of its timers fires, and what its functions come to reaches nobody. */
  kill(): void {
    this.clock.die();
  }

  /** Nothing of it moves, while time goes on, until it is resumed: what a stopped process, or a long garbage collection, is. */
  pause(): void {
    this.clock.pause();
  }

  async resume(): Promise<void> {
    await this.clock.resume();
  }
}

/**
 * Several processes on one database, in simulated time. Each can be killed, stopped and resumed, at each of its breakpoints; others can be
 * started anew. Two worlds of the same seed and fates are the same to the last event.
 */
export class ProcessWorld {
  readonly options: SimulationOptions;
  readonly time: SimulatedTime;
  readonly store: Store = { ...createMemoryStore(), exclusive: false };
  readonly processes: SimulatedProcess[] = [];
  /** Every breakpoint that was passed, in order. */
  readonly points: Breakpoint[] = [];
  /** Those of them at which a process did not go on: none, and no fault was met. */
  readonly faults: Breakpoint[] = [];
  /** Every call of a function, in order. */
  readonly calls: SeenCall[] = [];
  readonly #random: Random;
  readonly #recorder: RunRecorder;
  /** How many events of each run were told of. */
  readonly #told = new Map<string, number>();

  constructor(options: SimulationOptions) {
    this.options = options;
    this.#random = seededRandom(options.seed);
    this.time = simulateTime({ random: seededRandom(options.seed + 1) });
    this.#recorder = new RunRecorder(() => this.time.now());
  }

  /** The events of a run that are durable now. */
  history(runId: string): readonly Recorded[] {
    return this.#recorder.history(runId);
  }

  /** Ids of all runs, in the order in which they began. */
  get runIds(): readonly string[] {
    return this.#recorder.runIds;
  }

  get running(): readonly SimulatedProcess[] {
    return this.processes.filter(({ state }) => state === "running");
  }

  /** Starts one more process, with other definitions where they are given. */
  async start(definitions: readonly ReactorDefinition[] = this.options.definitions): Promise<SimulatedProcess> {
    const number = this.processes.length + 1;
    const process = new SimulatedProcess(
      this,
      `process ${number}`,
      definitions,
      seededRandom(this.options.seed * 1_000 + number),
    );
    this.processes.push(process);
    for (const part of [process.log, process.membership, process.reactors]) await this.settled(part.start(process.ctx));
    return process;
  }

  /** Begins a run under a key, as a client does that asks another process where it gets no answer. */
  async begin(reactor: string, input: JsonValue, key: string): Promise<string> {
    return await this.#begun(({ reactors, ctx }) => reactors.begin(ctx, reactor, input, { key }));
  }

  /** Forks a run under a key in the same way. Throws what the process throws that is asked. */
  async fork(runId: string, options: ForkOptions & { readonly key: string }): Promise<string> {
    return await this.#begun(({ reactors, ctx }) => reactors.fork(ctx, runId, options));
  }

  async #begun(begin: (process: SimulatedProcess) => Promise<Begun>): Promise<string> {
    for (;;) {
      const process = this.running[0] ?? (await this.start());
      const begun = await this.settledUnless(begin(process), () => process.state !== "running");
      if (begun === undefined) continue;
      if (!begun.ok) throw new Error(`The run could not begin: ${begun.message}`);
      return begun.runId;
    }
  }

  /**
   * Moves time on until a run has ended, or waits for a person. A process that was stopped is resumed after `resumeAfterMs`; where none
   * runs any more, another is started.
   */
  async finish(runId: string, options: { resumeAfterMs?: number; maxMs?: number } = {}): Promise<RunEvent> {
    await this.playUntil(() => this.isOver(runId), options);
    // What a process that came back would still do wrong, it does now.
    await this.time.advance(2 * leaseMs);
    return this.history(runId).at(-1)?.event as RunEvent;
  }

  /** Moves time on until something holds and no process is stopped; stopped ones are resumed, and started where none runs, as `finish` does. */
  async playUntil(holds: () => boolean, { resumeAfterMs = 3 * leaseMs, maxMs = defaultMaxMs } = {}): Promise<void> {
    const pausedAt = new Map<SimulatedProcess, number>();
    const limitMs = this.time.now() + maxMs;
    for (;;) {
      const stopped = () => this.processes.some((each) => each.state === "paused" && !pausedAt.has(each));
      const isOver = () => holds() && pausedAt.size === 0;
      const isForsaken = () => this.running.length === 0 && !holds();
      const due = Math.min(...pausedAt.values(), Number.POSITIVE_INFINITY);
      await this.time.until(
        () => isOver() || stopped() || isForsaken() || this.time.now() >= due,
        Math.max(0, limitMs - this.time.now()),
      );
      for (const each of this.processes)
        if (each.state === "paused" && !pausedAt.has(each)) {
          pausedAt.set(each, this.time.now() + resumeAfterMs);
          // Where nobody runs there may be no other timer.
          this.time.setTimer(() => {}, resumeAfterMs);
        }
      for (const [each, atMs] of pausedAt) {
        if (atMs > this.time.now()) continue;
        pausedAt.delete(each);
        await each.resume();
      }
      if (isOver() && !stopped()) return;
      if (isForsaken()) await this.start();
    }
  }

  /** Whether a run has ended, or waits for a person. */
  isOver(runId: string): boolean {
    let standing = false;
    let ended = false;
    for (const { event } of this.history(runId)) {
      if (event.type === "run.needs_review") standing = true;
      if (event.type === "run.reviewed") standing = false;
      if (isEnding(event)) ended = true;
      if (event.type === "run.undo_requested") ended = false;
    }
    return standing || ended;
  }

  /** Moves time on until a promise is settled. */
  async settled<T>(promise: Promise<T>, maxMs = defaultMaxMs): Promise<T> {
    return await settled(this.time, promise, maxMs);
  }

  /** The same, but answers undefined where something happens before that makes it futile. */
  async settledUnless<T>(promise: Promise<T>, isFutile: () => boolean): Promise<T | undefined> {
    const isSettled = watch(promise);
    await this.time.until(() => isSettled() || isFutile(), defaultMaxMs);
    return isSettled() ? await promise : undefined;
  }

  /** @internal The way of a process to the store. */
  linkOf(process: SimulatedProcess): Store {
    const commit: Store["commit"] = async (batch, now, follow) => {
      await this.#travel();
      const what = describeBatch(batch);
      if (what !== undefined) await this.#pass(process, "append", "before", what);
      const result = await this.store.commit(batch, now, follow);
      this.#recorder.note(batch, result);
      this.#tellRecorded();
      await this.#travel();
      if (what !== undefined) await this.#pass(process, "append", "after", what);
      return result;
    };
    return processStore(this.store, process.clock, { commit, setOut: () => this.#refuseWhereCut(process) });
  }

  /** @internal A process calls one of its functions. */
  async callFrom(process: SimulatedProcess, { role, ctx }: FunctionCall, run: () => unknown): Promise<unknown> {
    const { runId, step, attempt, fencingToken } = ctx;
    return await this.#effectOf(process, { role, runId, step, attempt, fencingToken }, run);
  }

  /** @internal A process asks for a task. */
  async taskFrom(
    process: SimulatedProcess,
    { runId, step, attempt }: TaskRequest,
    run: () => unknown,
  ): Promise<unknown> {
    return await this.#effectOf(process, { role: "task", runId, step, attempt, fencingToken: undefined }, run);
  }

  async #effectOf(
    process: SimulatedProcess,
    seen: Pick<SeenCall, "role" | "runId" | "step" | "attempt" | "fencingToken">,
    run: () => unknown,
  ): Promise<unknown> {
    const what = `${seen.role} ${seen.step}`;
    const wasStopped = process.state !== "running";
    await process.clock.untilRunning();
    const durable = this.history(seen.runId).length;
    this.calls.push({ ...seen, process: process.name, durable, atMs: this.time.now(), wasStopped });
    await this.#pass(process, "effect", "before", what);
    try {
      return await run();
    } finally {
      await this.#pass(process, "effect", "after", what);
    }
  }

  #tellRecorded(): void {
    const { onRecorded } = this.options;
    if (onRecorded === undefined) return;
    for (const runId of this.runIds) {
      const history = this.history(runId);
      const told = this.#told.get(runId) ?? 0;
      this.#told.set(runId, history.length);
      for (const recorded of history.slice(told)) onRecorded(runId, recorded);
    }
  }

  async #pass(
    process: SimulatedProcess,
    kind: Breakpoint["kind"],
    when: Breakpoint["when"],
    what: string,
  ): Promise<void> {
    const point: Breakpoint = { index: this.points.length, process, kind, when, what };
    this.points.push(point);
    const fate = this.options.fate?.(point) ?? "go";
    if (fate !== "go") this.faults.push(point);
    if (fate === "kill") process.kill();
    if (fate === "pause") process.pause();
    await process.clock.untilRunning();
  }

  async #travel(): Promise<void> {
    const { maxLatencyMs = 0 } = this.options;
    if (maxLatencyMs === 0) return;
    const ms = this.#random.next() * maxLatencyMs;
    await new Promise<void>((resolve) => void this.time.setTimer(resolve, ms));
  }

  #refuseWhereCut(process: SimulatedProcess): void {
    if (!process.link.up) throw new ViableError(storeUnavailable, "Cut off.", { retryable: true });
  }
}

/** Starts a world of processes. */
export async function simulateProcesses(options: SimulationOptions): Promise<ProcessWorld> {
  const world = new ProcessWorld(options);
  for (let count = 0; count < (options.processes ?? 2); count++) await world.start();
  return world;
}

/** What of a batch is about runs; undefined where nothing is. */
function describeBatch(batch: readonly EncodedAppend[]): string | undefined {
  const events = batch.flatMap(({ streams }) =>
    streams.filter(({ stream }) => isRunStream(stream)).flatMap((write) => write.events.map(({ type }) => type)),
  );
  return events.length === 0 ? undefined : events.join(", ");
}
