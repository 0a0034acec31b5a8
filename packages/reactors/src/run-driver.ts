import type { Context, ErrorOnTheWire } from "@viable/kernel";
import { backoffMs, canonicalJson, fromWire, toRecordableError, toWire, ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { ReviewDuring, RunEvent, StepWait, UndoCause } from "@viable/protocol";
import { StepCall } from "./call-step.ts";
import type { Retry, StepFunction } from "./definition.ts";
import { invalidResult, invalidStepArgument, noBranch, repeatExhausted, runTimedOut, waitTimedOut } from "./errors.ts";
import { keepJson } from "./keep-json.ts";
import type { Pools } from "./pools.ts";
import type { OpenNode, Progress } from "./progress.ts";
import type { Pending } from "./run-journal.ts";
import { writeRun } from "./run-journal.ts";
import { nextToUndo } from "./undo-walk.ts";

/** What one result may take, in characters of JSON: larger ones belong into a file or a memory, and the result says where. */
export const maxResultChars = 4 * 1024 * 1024;
/** How often a compensation and an undo are tried, and with what waits, before a person is asked. */
const clearingRetry: Retry = { baseMs: 50, maxMs: 5_000, maxAttempts: 5, on: "any" };
/** What waits for a run may hold as its key, in characters: it stands in a stream's name. */
export const maxKeyChars = 200;
/** The last time there is a date for, in milliseconds. */
const maxTimeMs = 8.64e15;
/** When something is asked of the log again that it could not answer, in milliseconds. */
const askAgainMs = 1_000;
/** Under what the undo stands among what is under way and due: no step's path. */
const undoKey = "<undo>";
/** How many names of steps that were kept an event tells. */
const maxKeptNames = 100;

/** Something that goes on for a step. */
interface Active {
  end(reason: unknown): void;
  /** Asks it to come to an end, where it can be asked. */
  tell?(reason: unknown): void;
  /** It waits for a place, and its function has not been called. */
  readonly isQueued?: true;
  /** Something is asked of the log: what is heard of meanwhile may have come too late for the answer. */
  readonly isQuestion?: true;
}

/** A task for an agent, as whoever finds one is asked. */
export interface TaskRequest {
  readonly runId: string;
  readonly step: string;
  readonly attempt: number;
  readonly capability: string;
  readonly args: unknown;
  readonly timeoutMs: number;
  /** The same for every try after a crash: the outcome that was recorded under it is the answer. */
  readonly key: string;
}

/** Has a task done. Rejects with what it failed with; that it can be found again under its key is its promise. */
export type DoTask = (ctx: Context, request: TaskRequest) => Promise<unknown>;

/** What a driver needs of those around it. */
export interface DriverPorts {
  readonly log: Log;
  readonly pools: Pools;
  readonly doTask: DoTask | undefined;
  /** Whether the claim it works under still holds. */
  mayGoOn(driver: RunDriver): boolean;
  /** Calls `due` at that wall time, in milliseconds; whatever else calls it before. */
  wakeAt(driver: RunDriver, atMs: number): void;
  /** The first event of a composed run, and its id. Known by (run, step, attempt): the same again for the same. */
  beginChild(
    driver: RunDriver,
    node: OpenNode,
    attempt: number,
    input: unknown,
  ): { runId: string; event: RunEvent } | ErrorOnTheWire;
  /** How a run ended; undefined where it has not. */
  outcomeOf(ctx: Context, runId: string): Promise<RunEvent | undefined>;
  /** Tells a composed run to end (`cancel`), or to be undone; `due` is called when it has. */
  direct(ctx: Context, runId: string, directive: "cancel" | "undo", reason: string): Promise<void>;
  /** What was received for an event and a key after a version: the first of it. */
  received(
    ctx: Context,
    event: string,
    key: string,
    after: number,
  ): Promise<{ version: number; payload: unknown } | undefined>;
  /** The run as the log has it, or undefined where its claim is another's by now. */
  reload(driver: RunDriver): Promise<Progress | undefined>;
  /** Nothing of it goes on until something falls due or is heard of: it may be forgotten, and loaded again then. */
  rest(driver: RunDriver): void;
  /** It has ended, or was lost. */
  leave(driver: RunDriver, how: "ended" | "lost"): void;
  /** It cannot go on, for a reason that does not pass: forget it, and say so. */
  failed(driver: RunDriver, error: unknown): void;
}

/**
 * Carries one run on, under one claim: does what its progress says can be done, writes down what came of it, and only then goes on with what
 * that makes possible. One append of a run is on its way at a time, and takes along all that has come meanwhile.
 *
 * States: driving (calls under way, or something to write) ⇄ resting (all it waits for is not due) → forgotten, to be loaded anew
 *         driving → ended → left · driving → lost (the claim is another's): calls are ended, what they say does not count
 */
export class RunDriver {
  readonly ctx: Context;
  readonly #ports: DriverPorts;
  #progress: Progress;
  /** Version of the last event that is durable; the progress is ahead of it by what is pending. */
  #durable: number;
  /** Version of the last event that was heard of. */
  #heard = 0;
  #pending: Pending[] = [];
  #writing: Promise<void> | undefined;
  /** What goes on for each step, by its path: a call, a question to the log, a wait for a place. Undo goes by `undo`. */
  readonly #active = new Map<string, Active>();
  /** Steps about which something is on its way to the log: nothing more is done about them before it is there. */
  readonly #unwritten = new Set<string>();
  readonly #queue: OpenNode[] = [];
  readonly #due = new Map<string, number>();
  #calls = 0;
  #left = false;
  #halted = false;
  /** The undo goes on when something falls due or is heard of, not before. */
  #undoRests = false;
  /** Somebody else had it before: what has no outcome may have been begun. */
  readonly #isTakeover: boolean;
  /** Steps that nobody knows the outcome of, though it was our doing that they ended, and with what. */
  readonly #uncertain = new Map<string, ErrorOnTheWire>();
  /** Questions that are to be asked again, since something was heard of while they were asked. */
  readonly #askAgain = new Set<string>();
  /** What was begun to be cleared up after, by its path: once, and then as the log tells. */
  readonly #told = new Set<string>();

  constructor(ctx: Context, ports: DriverPorts, progress: Progress, isTakeover: boolean) {
    this.#isTakeover = isTakeover;
    this.ctx = ctx;
    this.#ports = ports;
    this.#progress = progress;
    this.#durable = progress.version;
  }

  get runId(): string {
    return this.#progress.runId;
  }

  get progress(): Progress {
    return this.#progress;
  }

  /** Begins, or goes on after it was loaded. */
  start(): void {
    const { deadline } = this.#progress;
    if (deadline !== undefined) this.#ports.wakeAt(this, deadline);
    this.#launch(this.#progress.takeReady());
    this.#settle();
  }

  /** A time has come. */
  due(): void {
    if (this.#left || this.#halted) return;
    const now = this.#now();
    const { deadline, phase, plan } = this.#progress;
    if (deadline !== undefined && now >= deadline && phase === "going")
      this.#record({ type: "run.gave_up", data: { error: toWire(runTimedOut(plan.definition.name, deadline)) } });
    const due: OpenNode[] = [];
    for (const [path, atMs] of this.#due) {
      if (atMs > now) continue;
      this.#due.delete(path);
      if (path === undoKey) this.#undoRests = false;
      const node = this.#progress.open.get(path);
      if (node !== undefined) due.push(node);
    }
    this.#launch(due);
    this.#settle();
  }

  /** What some of its steps may wait for has happened: a composed run has ended, or something was received. */
  heardOf(about: { readonly runId: string } | { readonly event: string; readonly key: string }): void {
    if (this.#left || this.#halted) return;
    this.#undoRests = false;
    const concerned = [...this.#progress.open.values()].filter(({ wait }) =>
      "runId" in about
        ? wait?.for === "run" && wait.runId === about.runId
        : wait?.for === "event" && wait.event === about.event && wait.key === about.key,
    );
    this.#launch(concerned);
    this.#settle();
  }

  /** The run's stream has come to this version. What this driver has not written itself it reads; false where it knows all of it. */
  news(version: number): boolean {
    this.#heard = Math.max(this.#heard, version);
    if (this.#heard <= this.#durable || this.#left) return false;
    this.#writing ??= this.#write();
    return true;
  }

  /** Until when nothing of it goes on (wall time in milliseconds); null where only news can go on with it. */
  get idleUntilMs(): number | null {
    const { deadline, phase } = this.#progress;
    let untilMs = deadline !== undefined && phase === "going" ? deadline : Number.POSITIVE_INFINITY;
    for (const atMs of this.#due.values()) untilMs = Math.min(untilMs, atMs);
    return Number.isFinite(untilMs) ? untilMs : null;
  }

  /** What it knows is in the log, and somebody needs the room: it is loaded again when something falls due. */
  forget(): void {
    this.#left = true;
  }

  /** Lets what is under way end, writes it down and begins nothing; resolves when there is nothing left, or the context ends. */
  async halt(): Promise<void> {
    this.#halted = true;
    this.#dropQueue();
    while (this.#active.size > 0 || this.#writing !== undefined) {
      await (this.#writing ?? new Promise<void>((resolve) => this.#whenQuiet.push(resolve)));
    }
  }

  #whenQuiet: (() => void)[] = [];

  /** The claim is another's: nothing of what goes on here counts any more. */
  lose(reason: string): void {
    if (this.#left) return;
    this.#left = true;
    this.#endAll(
      new ViableError("reactor.lost", `The run ${this.runId} is carried on elsewhere: ${reason}.`, { retryable: true }),
    );
    this.#ports.leave(this, "lost");
  }

  /** What has not begun does not begin. */
  #dropQueue(): void {
    for (const node of this.#queue.splice(0)) this.#active.delete(node.path);
    for (const each of [...this.#active.values()]) if (each.isQueued) each.end(undefined);
  }

  /** The same where the run goes no further, but for what is done nevertheless. */
  #dropWaiting(): void {
    for (const [path, each] of [...this.#active]) {
      const node = this.#progress.open.get(path);
      if (each.isQueued && (node === undefined || !this.#isToClear(node))) each.end(undefined);
    }
  }

  /** Ends what is under way and writes nothing more; for a halt that took too long. */
  abandon(reason: string): void {
    this.#left = true;
    this.#endAll(
      new ViableError("reactor.halted", `The run ${this.runId} was given back: ${reason}.`, { retryable: true }),
    );
  }

  #endAll(reason: unknown): void {
    for (const each of [...this.#active.values()]) each.end(reason);
    for (const each of this.#pending.splice(0)) each.onWritten?.(false);
    for (const resolve of this.#whenQuiet.splice(0)) resolve();
  }

  // What can be done

  #launch(nodes: readonly OpenNode[]): void {
    if (nodes.length === 0 || this.#halted || this.#left) return;
    // A process that was paused must not begin what another one has by now.
    if (!this.#mayGoOn()) {
      this.lose("its lease ran out");
      return;
    }
    for (const node of nodes) {
      if (this.#halted || this.#left) return;
      const { phase, review, open } = this.#progress;
      if (node.todo === undefined || !open.has(node.path) || review !== undefined) continue;
      if (this.#unwritten.has(node.path)) continue;
      if (this.#active.get(node.path)?.isQuestion) this.#askAgain.add(node.path);
      if (this.#active.has(node.path)) continue;
      if (phase === "going" || (phase === "failing" && this.#isToClear(node))) this.#begin(node);
      // A child that runs is told to end, and waited for.
      else if (phase === "failing" && node.wait?.for === "run") this.#endChild(node, node.wait);
    }
  }

  /** Whether something is done about it though the run goes no further: it failed, or it may have happened, and would stay as it is. */
  #isToClear({ todo, begun, isWanted, mayHaveBegun, plan, wait }: OpenNode): boolean {
    if (todo === "compensate" || todo === "accept" || begun !== undefined || isWanted) return true;
    const { undo, compensate } = plan.functions;
    // Done again, which comes to the same, it has an outcome that can be undone.
    const wasLeft = this.#isTakeover && mayHaveBegun && todo === "run" && wait === undefined;
    return wasLeft && plan.node.kind === "step" && (undo !== undefined || compensate !== undefined);
  }

  #begin(node: OpenNode): void {
    if (node.todo === "choose") this.#choose(node);
    else if (node.todo === "turn") this.#turn(node);
    else if (node.todo === "accept") this.#accept(node);
    else if (node.begun !== undefined) this.#findOut(node);
    else if (node.todo === "compensate") this.#compensate(node);
    else if (node.retryAt !== undefined && this.#now() < node.retryAt) this.#wakeFor(node.path, node.retryAt);
    else this.#do(node);
  }

  #do(node: OpenNode): void {
    switch (node.plan.node.kind) {
      case "step":
      case "task":
        this.#queueCall(node);
        return;
      case "sleep":
        this.#sleep(node);
        return;
      case "event":
        this.#awaitEvent(node);
        return;
      case "approval":
        this.#awaitApproval(node);
        return;
      case "compose":
        this.#awaitChild(node);
        return;
    }
  }

  // Calls

  #queueCall(node: OpenNode): void {
    this.#active.set(node.path, { end: () => {} });
    this.#queue.push(node);
    this.#callNext();
  }

  #callNext(): void {
    const { maxConcurrency } = this.#progress.plan.definition;
    while (this.#calls < maxConcurrency) {
      const node = this.#queue.shift();
      if (node === undefined) return;
      if (this.#progress.phase !== "going" && !this.#isToClear(node)) {
        this.#active.delete(node.path);
        continue;
      }
      this.#calls += 1;
      const { node: said } = node.plan;
      const pool = said.kind === "step" ? said.pool : undefined;
      if (pool === undefined) void this.#call(node, () => this.#done(node.path));
      else this.#enter(node, pool);
    }
  }

  #enter(node: OpenNode, pool: string): void {
    const { pools } = this.#ports;
    let hasEntered = false;
    const leave = pools.enter(pool, () => {
      hasEntered = true;
      if (this.#left || !this.#progress.open.has(node.path)) {
        pools.leave(pool);
        return;
      }
      void this.#call(node, () => {
        pools.leave(pool);
        this.#done(node.path);
      });
    });
    if (!hasEntered) {
      const end = () => {
        leave();
        this.#done(node.path);
      };
      this.#active.set(node.path, { end, isQueued: true });
    }
  }

  #done(path: string): void {
    this.#active.delete(path);
    this.#calls -= 1;
    const node = this.#uncertain.has(path) ? this.#progress.open.get(path) : undefined;
    if (node !== undefined) this.#launch([node]);
    this.#callNext();
    this.#settle();
  }

  async #call(node: OpenNode, done: () => void): Promise<void> {
    const { path, plan } = node;
    const attempt = node.attempt + 1;
    const call = this.#newCall(path, attempt);
    this.#active.set(path, call);
    const beganMs = this.ctx.runtime.clock.monotonicMs();
    try {
      const args = this.#progress.argsOf(node);
      const { where, guard, run } = plan.functions;
      const said = plan.node as typeof plan.node & { kind: "step" | "task" };
      // In a turn of its own: a thousand that are skipped must not call each other.
      if (where !== undefined) await undefined;
      if (where !== undefined && where(args) !== true) {
        this.#record({ type: "step.skipped", data: { step: path } });
        return;
      }
      const guarded =
        guard === undefined ? undefined : resultIn(await call.call(() => guard(args, call), said.timeoutMs), path);
      if (guarded !== undefined) {
        this.#succeed(node, guarded.result, { by: "guard" });
        return;
      }
      if (said.kind === "step" && !said.idempotent) {
        if (!(await this.#recordDurably({ type: "step.started", data: { step: path, attempt } }))) return;
      }
      const result =
        said.kind === "task"
          ? await call.call(() => this.#doTask(call, said, args), said.timeoutMs)
          : await call.call(() => (run as StepFunction)(call, args), said.timeoutMs);
      const judged = plan.functions.result === undefined ? result : plan.functions.result(result);
      this.#succeed(node, judged, {
        ...(plan.functions.undo !== undefined && { args }),
        ms: Math.round(this.ctx.runtime.clock.monotonicMs() - beganMs),
        ...(attempt > 1 && { attempt }),
      });
    } catch (error) {
      if (!this.#left) this.#callFailed(node, call, error);
    } finally {
      done();
    }
  }

  #doTask(call: StepCall, said: { capability: string; timeoutMs: number }, args: unknown): Promise<unknown> {
    const { doTask } = this.#ports;
    if (doTask === undefined)
      throw new ViableError("reactor.no_tasks", `There is nobody here to find an agent for "${said.capability}".`, {
        next: "Run the reactor in a system that has swarms.",
      });
    const ctx = { ...this.ctx, signal: call.signal };
    return doTask(ctx, {
      runId: this.runId,
      step: call.step,
      attempt: call.attempt,
      capability: said.capability,
      args,
      timeoutMs: said.timeoutMs,
      key: `${call.idempotencyKey}/${call.attempt}`,
    });
  }

  #callFailed(node: OpenNode, call: StepCall, thrown: unknown): void {
    const { attempt } = call;
    const said = node.plan.node as OpenNode["plan"]["node"] & { kind: "step" | "task" };
    const error = toRecordableError(thrown);
    const isUncertain = said.kind === "step" && !said.idempotent && (call.isTold || isTimeout(error));
    // It stands as begun: what it came to is found out as after a crash.
    if (isUncertain) {
      this.#uncertain.set(node.path, error);
      return;
    }
    const again = this.#progress.phase === "going" && worthAnother(said.retry, error, thrown);
    const waitMs = again ? backoffMs(said.retry, attempt, this.ctx.runtime.random) : undefined;
    this.#record({
      type: "step.failed",
      data: {
        step: node.path,
        attempt,
        error,
        ...(waitMs !== undefined && { retryAt: Math.ceil(this.#now() + waitMs) }),
      },
    });
  }

  #succeed(
    node: OpenNode,
    result: unknown,
    more: {
      by?: "guard" | "compensation" | "review";
      args?: unknown;
      ms?: number;
      attempt?: number;
      consumed?: number;
      runId?: string;
    },
  ): void {
    const { path } = node;
    const kept = keepJson(result, maxResultChars);
    if (typeof kept === "string") throw invalidResult(path, kept);
    // Both stand in one event.
    const keptArgs = more.args === undefined ? undefined : keepJson(more.args, maxResultChars - kept.chars);
    if (typeof keptArgs === "string")
      throw invalidResult(path, `its arguments cannot be kept for its undo: ${keptArgs}`);
    const { args: _, ...rest } = more;
    const data = {
      step: path,
      ...(kept.value !== null && { result: kept.value }),
      ...(keptArgs !== undefined && { args: keptArgs.value }),
      ...rest,
    };
    this.#record({ type: "step.succeeded", data } as RunEvent, kept.chars + (keptArgs?.chars ?? 0));
  }

  /** Something that must not be done twice may have been done: its own way to find out is asked, then a person. */
  #findOut(node: OpenNode): void {
    const { path, plan } = node;
    const during = node.begun as ReviewDuring;
    const { findOutcome } = plan.functions;
    const ended = this.#uncertain.get(path);
    this.#uncertain.delete(path);
    const unknown =
      ended === undefined
        ? "whether it happened before a crash is not known, and it must not be done twice"
        : "it was ended before it answered, and must not be done twice";
    const known = ended === undefined ? {} : { error: ended };
    if (during !== "run" || findOutcome === undefined) {
      this.#needsReview(path, during, unknown, known);
      return;
    }
    const call = this.#newCall(path, node.attempt + 1);
    this.#active.set(path, call);
    const ask = async () => {
      try {
        const args = this.#progress.argsOf(node);
        const { timeoutMs } = plan.node as { timeoutMs: number };
        const found = resultIn(await call.call(() => findOutcome(call, args), timeoutMs), path);
        if (found !== undefined) this.#succeed(node, found.result, { args });
        else if (this.#progress.phase === "going") this.#beginAnew(path);
        else this.#record({ type: "step.skipped", data: { step: path } });
      } catch (error) {
        if (!this.#left) this.#needsReview(path, during, unknown, { error: toRecordableError(error) });
      }
      if (this.#active.get(path) === call) this.#active.delete(path);
      this.#settle();
    };
    void ask();
  }

  /** A person said what it came to. */
  #accept(node: OpenNode): void {
    try {
      const args = node.plan.functions.undo === undefined ? undefined : this.#progress.argsOf(node);
      this.#succeed(node, node.accepted, { by: "review", ...(args !== undefined && { args }) });
    } catch (error) {
      this.#fail(node, error);
    }
  }

  /** It did not happen: it is done as if for the first time. */
  #beginAnew(path: string): void {
    const node = this.#progress.open.get(path);
    if (node === undefined) return;
    node.begun = undefined;
    this.#active.delete(path);
    this.#launch([node]);
  }

  #compensate(node: OpenNode): void {
    const { path, plan } = node;
    const call = this.#newCall(path, 1);
    this.#active.set(path, call);
    const compensate = plan.functions.compensate as StepFunction;
    const { timeoutMs, idempotent } = plan.node as { timeoutMs: number; idempotent: boolean };
    const clear = async () => {
      try {
        const args = this.#progress.argsOf(node);
        if (!idempotent) {
          const attempt = node.attempt + 1;
          const started: RunEvent = { type: "step.started", data: { step: path, attempt, during: "compensate" } };
          if (!(await this.#recordDurably(started))) return;
        }
        const error = fromWire(node.error as ErrorOnTheWire);
        const answered = await this.#tryToClear(path, async (each) =>
          resultIn(await each.call(() => compensate(each, { error, args }), timeoutMs), path),
        );
        if (answered === undefined) this.#record({ type: "step.compensated", data: { step: path } });
        else this.#succeed(node, answered.result, { by: "compensation" });
      } catch (error) {
        if (!this.#left)
          this.#needsReview(path, "compensate", "its compensation failed", { error: toRecordableError(error) });
      } finally {
        this.#active.delete(path);
        this.#settle();
      }
    };
    void clear();
  }

  /** Calls what puts things right, again where it fails; throws the last failure. */
  async #tryToClear<T>(path: string, run: (call: StepCall) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const call = this.#newCall(path, attempt);
      this.#active.set(path, call);
      try {
        return await run(call);
      } catch (error) {
        const waitMs = backoffMs(clearingRetry, attempt, this.ctx.runtime.random);
        if (waitMs === undefined || this.#left) throw error;
        await call.call(
          () => new Promise<void>((resolve) => this.ctx.runtime.clock.setTimer(resolve, waitMs)),
          waitMs + 60_000,
        );
      }
    }
  }

  #newCall(step: string, attempt: number): StepCall {
    const { plan, claim } = this.#progress;
    const about = { runId: this.runId, reactor: plan.definition.name, step, attempt };
    return new StepCall(this.ctx, { ...about, fencingToken: claim?.attempt ?? 1 });
  }

  // Decisions

  #choose(node: OpenNode): void {
    const { node: said, functions } = node.plan;
    if (said.kind !== "switch") return;
    try {
      const args = this.#progress.argsOf(node);
      const branch =
        said.branches.find(({ name }) => functions[`when:${name}`]?.(args) === true)?.name ??
        (said.otherwise === undefined ? undefined : "otherwise");
      if (branch === undefined) throw noBranch(node.path);
      this.#record({ type: "step.branched", data: { step: node.path, branch } });
    } catch (error) {
      this.#fail(node, error);
    }
  }

  #turn(node: OpenNode): void {
    const { node: said, functions } = node.plan;
    if (said.kind !== "repeat") return;
    try {
      if (functions.until?.(node.last) === true) this.#succeed(node, node.last, {});
      else if (node.turn + 1 >= said.maxTurns) throw repeatExhausted(node.path, said.maxTurns);
      else this.#record({ type: "step.repeated", data: { step: node.path, turn: node.turn + 1 } });
    } catch (error) {
      this.#fail(node, error);
    }
  }

  #fail(node: OpenNode, error: unknown): void {
    this.#record({
      type: "step.failed",
      data: { step: node.path, attempt: node.attempt + 1, error: toRecordableError(error) },
    });
  }

  // Waits

  #sleep(node: OpenNode): void {
    if (node.wait?.for === "time") {
      if (this.#now() >= node.wait.until) this.#succeed(node, null, {});
      else this.#wakeFor(node.path, node.wait.until);
      return;
    }
    const { forMs, until } = this.#progress.argsOf(node) as { forMs?: unknown; until?: unknown };
    const at = typeof until === "number" ? until : typeof forMs === "number" ? this.#now() + forMs : Number.NaN;
    if (at <= maxTimeMs) this.#wait(node, { for: "time", until: at });
    else this.#fail(node, invalidStepArgument(node.path, "forMs or until must be a number of milliseconds"));
  }

  #awaitEvent(node: OpenNode): void {
    const { wait, path, plan } = node;
    if (wait?.for !== "event") {
      const { key = null, timeoutMs } = this.#progress.argsOf(node) as { key?: unknown; timeoutMs?: unknown };
      const until = this.#until(timeoutMs);
      if (until === undefined)
        this.#fail(node, invalidStepArgument(path, "timeoutMs must be a number of milliseconds"));
      else if (key !== null && (typeof key !== "string" || key.length === 0 || key.length > maxKeyChars))
        this.#fail(node, invalidStepArgument(path, `key must be text of 1 to ${maxKeyChars} characters`));
      else {
        const { event } = plan.node as { event: string };
        this.#wait(node, { for: "event", event, key: key ?? this.runId, ...until });
      }
      return;
    }
    this.#ask(path, async () => {
      const taken = () => this.#progress.consumed.get(JSON.stringify([wait.event, wait.key])) ?? 0;
      let found = await this.#ports.received(this.ctx, wait.event, wait.key, taken());
      // Another step of this run, which waits for the same, may have taken it meanwhile.
      while (found !== undefined && found.version <= taken())
        found = await this.#ports.received(this.ctx, wait.event, wait.key, taken());
      if (found !== undefined) {
        const judge = plan.functions.payload;
        this.#succeed(node, judge === undefined ? found.payload : judge(found.payload), { consumed: found.version });
      } else if (wait.until !== undefined && this.#now() >= wait.until)
        this.#fail(node, waitTimedOut(path, wait.event));
      else if (wait.until !== undefined) this.#wakeFor(path, wait.until);
    });
  }

  #awaitApproval(node: OpenNode): void {
    const { wait, path, plan } = node;
    if (wait?.for === "approval") {
      if (wait.until === undefined) return;
      if (this.#now() >= wait.until) this.#fail(node, waitTimedOut(path, "an approval"));
      else this.#wakeFor(path, wait.until);
      return;
    }
    const { details, timeoutMs } = this.#progress.argsOf(node) as { details?: unknown; timeoutMs?: unknown };
    const kept = details === undefined ? undefined : keepJson(details, maxResultChars);
    const until = this.#until(timeoutMs);
    if (until === undefined) this.#fail(node, invalidStepArgument(path, "timeoutMs must be a number of milliseconds"));
    else if (typeof kept === "string") this.#fail(node, invalidStepArgument(path, kept));
    else
      this.#wait(node, {
        for: "approval",
        approvalId: this.ctx.runtime.ids.next("apr"),
        title: (plan.node as { title: string }).title,
        ...(kept !== undefined && { details: kept.value }),
        ...until,
      } as StepWait);
  }

  /** Until when it waits at most: for ever where nothing is said; undefined where what is said is no time. */
  #until(timeoutMs: unknown): { until?: number } | undefined {
    if (timeoutMs === undefined || timeoutMs === null) return {};
    const until = typeof timeoutMs === "number" ? this.#now() + timeoutMs : Number.NaN;
    return until <= maxTimeMs ? { until } : undefined;
  }

  #awaitChild(node: OpenNode): void {
    const { wait, path } = node;
    if (wait?.for !== "run") {
      const attempt = node.attempt + 1;
      const child = this.#ports.beginChild(this, node, attempt, this.#progress.argsOf(node));
      if (!("runId" in child)) {
        this.#fail(node, fromWire(child));
        return;
      }
      const data = { step: path, wait: { for: "run" as const, runId: child.runId, attempt } };
      this.#record({ type: "step.waiting", data }, 200, child);
      return;
    }
    this.#ask(path, async () => {
      const ended = await this.#ports.outcomeOf(this.ctx, wait.runId);
      if (ended === undefined) return;
      if (ended.type === "run.completed") this.#succeed(node, ended.data.result, { runId: wait.runId });
      else this.#childFailed(node, wait.attempt, errorOf(ended));
    });
  }

  /** It failed, and has undone what it had done: what then is for its parent to say. */
  #childFailed(node: OpenNode, attempt: number, error: ErrorOnTheWire): void {
    const said = node.plan.node as { maxRestarts: number };
    const { onFailure } = node.plan.functions;
    const answer = onFailure === undefined ? "fail" : onFailure(fromWire(error), { attempt });
    if (typeof answer === "object" && answer !== null)
      this.#succeed(node, (answer as { result: unknown }).result, { by: "compensation" });
    else if (answer === "review")
      this.#needsReview(node.path, "run", "the run it is composed of ended without a result", { error });
    else {
      const backoff = { ...clearingRetry, maxAttempts: said.maxRestarts + 1 };
      const waitMs = answer === "restart" ? backoffMs(backoff, attempt, this.ctx.runtime.random) : undefined;
      const data = { step: node.path, attempt, error };
      this.#record({
        type: "step.failed",
        data: waitMs === undefined ? data : { ...data, retryAt: Math.ceil(this.#now() + waitMs) },
      });
    }
  }

  /** The run goes no further: what it had composed is told to end, and waited for. */
  #endChild(node: OpenNode, wait: StepWait & { for: "run" }): void {
    this.#ask(node.path, async () => {
      const ended = await this.#ports.outcomeOf(this.ctx, wait.runId);
      if (ended === undefined)
        await this.#ports.direct(this.ctx, wait.runId, "cancel", `${this.runId} goes no further`);
      else if (ended.type === "run.completed") this.#succeed(node, ended.data.result, { runId: wait.runId });
      else this.#fail(node, fromWire(errorOf(ended)));
    });
  }

  #wait(node: OpenNode, wait: StepWait): void {
    this.#record({ type: "step.waiting", data: { step: node.path, wait } });
  }

  /** Asks something of the log on behalf of a step. A question that could not be answered is asked again when it is due. */
  #ask(path: string, question: () => Promise<void>): void {
    this.#active.set(path, { end: () => {}, isQuestion: true });
    question()
      .catch((error: unknown) => {
        if (this.#left) return;
        const node = this.#progress.open.get(path);
        if (node === undefined) return;
        if (isOurs(error) && error.retryable) this.#wakeFor(path, this.#now() + askAgainMs);
        else this.#fail(node, error);
      })
      .finally(() => {
        this.#active.delete(path);
        const node = this.#askAgain.delete(path) ? this.#progress.open.get(path) : undefined;
        if (node !== undefined) this.#launch([node]);
        this.#settle();
      });
  }

  #wakeFor(path: string, atMs: number): void {
    if (this.#due.get(path) === atMs) return;
    this.#due.set(path, atMs);
    this.#ports.wakeAt(this, atMs);
  }

  // What comes after

  /** Nothing is under way: what that means for the whole. Called whenever something may have ended. */
  #settle(): void {
    if (this.#left) return;
    const { phase, review, failure, output } = this.#progress;
    if (phase === "failing") this.#dropWaiting();
    if (this.#active.size === 0 && this.#whenQuiet.length > 0)
      for (const resolve of this.#whenQuiet.splice(0)) resolve();
    if (this.#halted || this.#active.size > 0 || this.#pending.length > 0 || this.#writing !== undefined) return;
    if (phase === "ended") {
      if (this.#progress.undoRequested !== undefined) {
        const { by, reason } = this.#progress.undoRequested;
        this.#record({ type: "run.undoing", data: { cause: { kind: "requested", by, reason } } });
        return;
      }
      this.#left = true;
      this.#ports.leave(this, "ended");
      return;
    }
    if (review !== undefined) {
      this.#ports.rest(this);
      return;
    }
    // Its last outcome was written by somebody else, as a person's decision is.
    if (output !== undefined && phase === "going") {
      this.#complete();
      return;
    }
    if (phase === "failing") {
      if (this.#clearUp()) this.#restWhereQuiet();
      else if (this.#progress.undoable > 0)
        this.#record({ type: "run.undoing", data: { cause: (failure as { cause: UndoCause }).cause } });
      else this.#end();
      return;
    }
    if (phase === "undoing" && !this.#undoRests) {
      void this.#undoNext();
      return;
    }
    this.#ports.rest(this);
  }

  #restWhereQuiet(): void {
    if (this.#active.size === 0 && this.#pending.length === 0) this.#ports.rest(this);
  }

  /**
   * It goes no further: what may have been left half done is cleared up after, what it had composed is told to end, and what may have
   * happened is found out. True as long as any of that goes on.
   */
  #clearUp(): boolean {
    let goesOn = false;
    for (const node of [...this.#progress.open.values()]) {
      const { path, attempt, error, retryAt } = node;
      if (retryAt !== undefined && node.plan.functions.compensate !== undefined) {
        this.#record({ type: "step.failed", data: { step: path, attempt, error: error as ErrorOnTheWire } });
        return true;
      }
      if (!this.#isToClear(node) && node.wait?.for !== "run") continue;
      goesOn = true;
      if (this.#told.has(path)) continue;
      this.#told.add(path);
      this.#launch([node]);
    }
    return goesOn;
  }

  /** One success more is taken back, the latest first. */
  async #undoNext(): Promise<void> {
    if (this.#active.has(undoKey)) return;
    const progress = this.#progress;
    const { undoRetryAt } = progress;
    if (undoRetryAt !== undefined && this.#now() < undoRetryAt) {
      this.#restUndo(undoRetryAt);
      this.#ports.rest(this);
      return;
    }
    this.#active.set(undoKey, { end: () => {} });
    try {
      const target = await nextToUndo(this.ctx, this.#ports.log, progress);
      if (target === undefined) this.#end();
      else await this.#undo(target);
    } catch (error) {
      if (isOurs(error) && error.retryable && !this.#left) this.#restUndo(this.#now() + askAgainMs);
      else if (!this.#left) this.#ports.failed(this, error);
    } finally {
      this.#active.delete(undoKey);
      this.#settle();
    }
  }

  async #undo(target: NonNullable<Awaited<ReturnType<typeof nextToUndo>>>): Promise<void> {
    const { step, of, plan, args, result, runId } = target;
    const attempt = this.#progress.undoAttempt + 1;
    const said = plan.node;
    const isOnce = said.kind === "step" && !said.idempotent;
    if (isOnce && this.#progress.undoBegun) {
      this.#needsReview(
        step,
        "undo",
        "whether it was undone before a crash is not known, and that must not be done twice",
        { of },
      );
      return;
    }
    try {
      if (runId !== undefined) {
        if (!(await this.#undoChild(runId, step))) return;
      } else {
        if (isOnce) {
          if (!(await this.#recordDurably({ type: "step.started", data: { step, attempt, during: "undo" } }))) return;
        }
        const call = this.#newCall(step, attempt);
        this.#active.set(undoKey, call);
        const undo = plan.functions.undo as StepFunction;
        await call.call(() => undo(call, { result, args }), (said as { timeoutMs: number }).timeoutMs);
      }
      this.#record({ type: "step.undone", data: { step, of } });
    } catch (thrown) {
      if (this.#left) return;
      const error = toRecordableError(thrown);
      const waitMs =
        isOnce && isTimeout(error) ? undefined : backoffMs(clearingRetry, attempt, this.ctx.runtime.random);
      const data = { step, of, attempt, error };
      if (waitMs === undefined) this.#needsReview(step, "undo", "it could not be undone", { error, of });
      else this.#record({ type: "step.undo_failed", data: { ...data, retryAt: Math.ceil(this.#now() + waitMs) } });
    }
  }

  /** Whether a composed run is undone by now; else it was told, and this run hears when it is. */
  async #undoChild(runId: string, step: string): Promise<boolean> {
    // Before anything is asked: it may end while it is.
    this.#undoRests = true;
    const ended = await this.#ports.outcomeOf(this.ctx, runId);
    if (ended === undefined || ended.type === "run.completed") {
      await this.#ports.direct(this.ctx, runId, "undo", `${step} of ${this.runId} is undone`);
      return false;
    }
    this.#undoRests = false;
    return true;
  }

  #restUndo(untilMs: number): void {
    this.#undoRests = true;
    this.#wakeFor(undoKey, untilMs);
  }

  /** All is undone, or there was nothing to undo. */
  #end(): void {
    const { failure, kept: keptSteps, undone, ended } = this.#progress;
    if (ended !== undefined) return;
    const cause = (failure as { cause: UndoCause }).cause;
    const names = [...keptSteps].slice(0, maxKeptNames);
    const kept = names.length === 0 ? {} : { kept: names };
    if (cause.kind === "cancelled")
      this.#record({ type: "run.cancelled", data: { by: cause.by ?? "", reason: cause.reason ?? "", ...kept } });
    else if (undone > 0 || cause.kind === "requested")
      this.#record({ type: "run.compensated", data: { cause, ...kept } });
    else this.#record({ type: "run.failed", data: { error: cause.error as ErrorOnTheWire, ...kept } });
  }

  #needsReview(
    step: string,
    during: ReviewDuring,
    reason: string,
    more: { error?: ErrorOnTheWire; of?: number } = {},
  ): void {
    this.#record({ type: "run.needs_review", data: { step, during, reason, ...more } });
  }

  // Writing down

  #record(event: RunEvent, chars = 200, begins?: Pending["begins"], onWritten?: Pending["onWritten"]): void {
    if (this.#left || !this.#progress.accepts(event)) {
      onWritten?.(false);
      return;
    }
    this.#progress.apply(event, this.#progress.version + 1);
    if ("step" in event.data) this.#unwritten.add(event.data.step);
    this.#pending.push({
      event,
      chars,
      ...(begins !== undefined && { begins }),
      ...(onWritten !== undefined && { onWritten }),
    });
    // What it comes to travels with the last step's success.
    if (this.#progress.output !== undefined && this.#progress.phase === "going") this.#complete();
    if (event.type === "run.gave_up") this.#endCalls();
    this.#writing ??= this.#write();
  }

  #complete(): void {
    const kept = keepJson(this.#progress.output?.value, maxResultChars);
    if (typeof kept === "string")
      this.#record({ type: "run.gave_up", data: { error: toWire(invalidResult("returns", kept)) } });
    else this.#record({ type: "run.completed", data: { result: kept.value as never } }, kept.chars);
  }

  /** It goes no further by somebody's word: calls are told, and what they make of it is waited for. */
  #endCalls(): void {
    const reason = new ViableError("reactor.run_cancelled", `The run ${this.runId} goes no further.`);
    for (const [path, each] of this.#active) {
      // What puts things right is let to.
      const isClearing = path === undoKey || this.#progress.open.get(path)?.todo === "compensate";
      if (!isClearing) each.tell?.(reason);
    }
  }

  /** Records, and waits until it is durable; false where it says nothing any more, or the run is not this driver's. */
  async #recordDurably(event: RunEvent): Promise<boolean> {
    const isDurable = await new Promise<boolean>((resolve) => this.#record(event, 200, undefined, resolve));
    if (isDurable && !this.#left && !this.#mayGoOn()) this.lose("its lease ran out");
    return isDurable && !this.#left;
  }

  async #write(): Promise<void> {
    let sent: readonly Pending[] = [];
    try {
      // What else comes about in this turn travels along.
      await undefined;
      while (!this.#left && (this.#pending.length > 0 || this.#heard > this.#durable)) {
        if (this.#heard > this.#durable) {
          if (!(await this.#catchUp())) return;
          if (this.#pending.length === 0) continue;
        }
        const pending = this.#pending;
        this.#pending = [];
        sent = pending;
        const ready = this.#progress.takeReady();
        this.#markIdle(pending);
        const written = await writeRun(this.ctx, this.#ports.log, this.runId, this.#durable, pending, () =>
          this.#mayGoOn(),
        );
        // Whoever waits for it to be durable waits no longer, and finds the run gone.
        if (written.kind === "lost" || this.#left) {
          for (const each of pending) each.onWritten?.(false);
          this.lose("its claim ran out");
          return;
        }
        this.#durable = written.version;
        const count = written.kind === "overtaken" ? written.written : pending.length;
        for (const { event, onWritten } of pending.slice(0, count)) {
          if ("step" in event.data) this.#unwritten.delete(event.data.step);
          onWritten?.(true);
        }
        if (written.kind === "overtaken") {
          this.#pending = [...pending.slice(written.written), ...this.#pending];
          this.#heard = Math.max(this.#heard, this.#durable + 1);
        } else this.#launch(ready);
      }
    } catch (error) {
      for (const each of sent) each.onWritten?.(false);
      if (!this.#left) this.#ports.failed(this, error);
    } finally {
      this.#writing = undefined;
      this.#settle();
    }
  }

  /** Where this is the last that happens for a while, the log says until when: nobody needs to look at the run before. */
  #markIdle(pending: Pending[]): void {
    const last = pending.at(-1);
    if (last?.event.type !== "step.waiting" || this.#active.size > 0) return;
    let untilMs = this.#progress.deadline ?? Number.POSITIVE_INFINITY;
    for (const { todo, wait, retryAt } of this.#progress.open.values()) {
      if (todo === undefined) continue;
      // What it waits for from outside may have come already.
      if (wait === undefined ? retryAt === undefined : wait.for === "event") return;
      const dueMs = wait === undefined ? retryAt : "until" in wait ? wait.until : undefined;
      untilMs = Math.min(untilMs, dueMs ?? Number.POSITIVE_INFINITY);
    }
    const idle = Number.isFinite(untilMs) ? untilMs : null;
    pending[pending.length - 1] = { ...last, event: { ...last.event, data: { ...last.event.data, idle } } };
  }

  /** Others have written: begins again from what the log has, and what was on its way is written after it, where it still says something. */
  async #catchUp(): Promise<boolean> {
    const progress = await this.#ports.reload(this);
    if (progress === undefined) {
      this.lose("somebody else has claimed it");
      return false;
    }
    const wasGoing = this.#progress.phase === "going" || this.#progress.phase === "failing";
    const pending = this.#pending;
    this.#pending = [];
    this.#unwritten.clear();
    this.#durable = progress.version;
    this.#heard = progress.version;
    this.#progress = progress;
    for (const each of pending) {
      if (!progress.accepts(each.event)) {
        each.onWritten?.(false);
        continue;
      }
      progress.apply(each.event, progress.version + 1);
      if ("step" in each.event.data) this.#unwritten.add(each.event.data.step);
      this.#pending.push(each);
    }
    if (wasGoing && progress.phase === "failing" && progress.failure?.cause.kind !== "step_failed") this.#endCalls();
    this.#undoRests = false;
    if (this.#pending.length === 0) this.#launch(progress.takeReady());
    return true;
  }

  #mayGoOn(): boolean {
    return !this.#left && this.#ports.mayGoOn(this);
  }

  #now(): number {
    return this.ctx.runtime.clock.now();
  }
}

/** Whether a failure is worth another try. */
function worthAnother(retry: Retry, error: ErrorOnTheWire, thrown: unknown): boolean {
  if (error.retryable) return true;
  return retry.on === "any" && !isOurs(thrown);
}

/** Its time was up: nobody knows what it came to. */
const isTimeout = (error: ErrorOnTheWire): boolean => error.code === "reactor.step_timed_out";

/** Even asking may throw: whose error it is decides. */
function isOurs(thrown: unknown): thrown is ViableError {
  try {
    return thrown instanceof ViableError;
  } catch {
    return false;
  }
}

/** What a function answered that may answer a result, or nothing. Throws where it is neither. */
function resultIn(answer: unknown, step: string): { readonly result: unknown } | undefined {
  if (answer === undefined || answer === null) return undefined;
  if (typeof answer === "object" && Object.hasOwn(answer, "result")) return answer as { result: unknown };
  throw invalidResult(step, "an answer is { result } or nothing");
}

/** What a run that has ended without a result failed with. */
export function errorOf(ended: RunEvent): ErrorOnTheWire {
  switch (ended.type) {
    case "run.failed":
      return ended.data.error;
    case "run.compensated":
      return (
        ended.data.cause.error ?? {
          code: "reactor.run_compensated",
          message: `The run was undone: ${ended.data.cause.reason ?? ended.data.cause.kind}.`,
          retryable: false,
        }
      );
    case "run.cancelled":
      return {
        code: "reactor.run_cancelled",
        message: `Cancelled by ${ended.data.by}: ${ended.data.reason}.`,
        retryable: false,
      };
    default:
      return { code: "internal", message: canonicalJson(ended as never), retryable: false };
  }
}
