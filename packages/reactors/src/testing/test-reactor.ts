import type { InspectOptions } from "node:util";
import { inspect } from "node:util";
import type { Context, ErrorOnTheWire, JsonObject, JsonValue } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, systemClock, ViableError } from "@viable/kernel";
import type { Log, Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import type { ReviewDecision, RunEvent, RunStatus, StepWait } from "@viable/protocol";
import type { NodeDefinition, ReactorDefinition } from "../definition.ts";
import type { DoTask, TaskRequest } from "../do-task.ts";
import { clearingRetry } from "../driver/compensate.ts";
import { reactorEventTypes } from "../event-types.ts";
import type { RunState } from "../fold-run.ts";
import { foldRun } from "../fold-run.ts";
import type { PlanNode } from "../plan.ts";
import { planOf, staticPath } from "../plan.ts";
import { Progress } from "../progress.ts";
import type { Reactors } from "../reactors.ts";
import { createReactors } from "../reactors.ts";
import type { RunEnding } from "../read-run.ts";
import { errorOf } from "../read-run.ts";
import { maxTimeMs } from "../run-bounds.ts";
import { runStream } from "../run-journal.ts";
import type { Directed } from "../run-orders.ts";
import { statusOf } from "../run-view.ts";
import type { Thrown } from "../thrown.ts";
import { stackOf } from "../thrown.ts";
import { describeEvent } from "./describe-event.ts";
import { LeapingClock } from "./leaping-clock.ts";
import { ProcessClock } from "./process-clock.ts";
import { processStore } from "./process-store.ts";
import { RunRecorder } from "./record-runs.ts";
import { watch } from "./settled.ts";
import { soleMembership } from "./sole-membership.ts";
import type { FunctionCall, FunctionRole } from "./wrap-functions.ts";
import { functionRoles, wrapFunctions } from "./wrap-functions.ts";

/** How long a function may wait for something real, in real milliseconds, before simulated time goes on without it. */
const defaultPatienceMs = 200;
/** How often a pool's places are given where the test does not say how many there are. */
const defaultPoolSize = 10;
/** How often time may leap until a run ends or waits: what takes more goes round in circles, and by then has taken half a minute. */
const maxLeaps = 100_000;
/** How often nothing may have come of a leap to when the runs are looked through, in milliseconds of simulated time. */
const sweepMs = 5_000;
const maxIdleSweeps = 4;
/** Of how many errors a test shows the stack: as many as somebody reads. */
const maxThrown = 20;

/** What a step's function, or a task of a step, is called for. */
export type TestRole = FunctionRole | "task";

/** Which calls are meant: of a step, by its path as the definition has it (`ship/label`) or as a run has it (`ship[3]/label`). */
export interface CallsOf {
  readonly step: string;
  /** Default `run`. */
  readonly role?: TestRole;
  /** Default: each of them. */
  readonly attempt?: number;
  /** Whether it has done what it does by then. Default `before`. */
  readonly when?: "before" | "after";
}

export interface FailAt extends CallsOf {
  /** What is thrown. Default: an error that does not say that it is worth another try. */
  readonly error?: unknown;
}

/** A call of a function with effects, as the world outside saw it. */
export interface TestCall {
  readonly role: TestRole;
  readonly runId: string;
  readonly step: string;
  readonly attempt: number;
  /** What it was called with, beside its context. */
  readonly args: unknown;
  /** Since the run began, in milliseconds of simulated time. */
  readonly atMs: number;
}

export interface TestReactorOptions<Input> {
  readonly input: Input;
  /** Draws ids, jitter and the order of what happens at the same time. The same seed, the same run. Default 1. */
  readonly seed?: number;
  /** Wall time in milliseconds at which the run begins. Default the first of January 2026, UTC. */
  readonly startMs?: number;
  readonly tenant?: string;
  readonly principal?: string;
  /** Default: each pool that is named has ten places. */
  readonly pools?: { readonly [name: string]: number };
  /** Calls that fail. */
  readonly failAt?: readonly FailAt[];
  /** Calls at which the process dies; another one takes the run. Each at most once. */
  readonly crashAt?: readonly CallsOf[];
  /** Does tasks of `task` steps: answers their result, or throws. */
  readonly doTask?: (request: TaskRequest) => unknown;
  /**
   * How long a function may wait for something real, as a file, in real milliseconds, before simulated time goes on to the end of its
   * time. Default 200.
   */
  readonly patienceMs?: number;
}

/** What a run waits for that only somebody outside can bring. */
export interface TestWait {
  readonly runId: string;
  readonly step: string;
  readonly wait: StepWait & { readonly for: "event" | "approval" };
}

/** A run in a test: the one that was begun, or one that it composes. */
export interface TestedRun {
  readonly runId: string;
  readonly reactor: string;
  readonly status: RunStatus;
  /** Its last event, where it has ended. */
  readonly ending: RunEnding | undefined;
  /** What it came to; undefined where it has not completed. */
  readonly result: unknown;
  /** Why it has ended without a result, or what a person is asked about. */
  readonly error: ErrorOnTheWire | undefined;
  /** All that was recorded of it, in order. */
  readonly events: readonly RunEvent[];
  /** The same as short lines, for assertions: without ids and times. */
  readonly lines: readonly string[];
}

/**
 * Begins a run of a reactor in a world of its own, in memory and under simulated time, and lets time pass until the run has ended or
 * waits for somebody: then `waits` says for what, and `send`, `approve`, `reject` and `review` answer it.
 *
 * The engine is the real one. Functions are called as they are: what they do outside they do, so a test hands in what does nothing
 * outside. They take their time from `ctx.runtime.clock`.
 */
export async function testReactor<Input, Output>(
  definition: ReactorDefinition<Input, Output>,
  options: TestReactorOptions<Input>,
): Promise<TestRun> {
  const run = new TestRun(definition as ReactorDefinition, options);
  await run.begin(options.input as JsonValue);
  return run;
}

/** What of a process calls functions. */
interface Calling {
  readonly clock: ProcessClock;
  /** Calls of functions that have not come to an end. */
  readonly underWay: Set<Omit<TestCall, "atMs">>;
}

/** The process that carries the run on. */
interface TestProcess {
  readonly calling: Calling;
  readonly ctx: Context;
  readonly log: Log;
  readonly reactors: Reactors;
}

/** A run under test: see `testReactor`. Nothing has to be let go of. */
export class TestRun implements TestedRun {
  readonly #definitions = new Map<string, ReactorDefinition>();
  readonly #definition: ReactorDefinition;
  readonly #options: TestReactorOptions<unknown>;
  readonly #clock: LeapingClock;
  readonly #store: Store = createMemoryStore();
  readonly #recorder: RunRecorder;
  readonly #folded = new Map<string, Progress>();
  readonly #states = new Map<string, RunState>();
  readonly #problems: string[] = [];
  readonly #thrown: string[] = [];
  /** What was thrown because the test says so. */
  readonly #made = new Set<unknown>();
  readonly #calls: TestCall[] = [];
  readonly #crashes: Set<CallsOf>;
  /** Entries of `failAt` at which something has failed. */
  readonly #failed = new Set<CallsOf>();
  /** Of what is waited for too long was told. */
  readonly #impatientOf = new Set<string>();
  readonly #startMs: number;
  #process: TestProcess;
  #epoch = 0;
  #runId = "";

  /** @internal */
  constructor(definition: ReactorDefinition, options: TestReactorOptions<unknown>) {
    const { seed = 1, startMs = Date.UTC(2026, 0, 1), crashAt = [], failAt = [] } = options;
    this.#definition = definition;
    this.#options = options;
    this.#startMs = startMs;
    this.#clock = new LeapingClock(startMs, seededRandom(seed));
    this.#recorder = new RunRecorder(() => this.#clock.now());
    this.#crashes = new Set(crashAt);
    const add = (each: ReactorDefinition) => {
      this.#definitions.set(each.hash, each);
      for (const child of each.children.values()) add(child);
    };
    add(definition);
    for (const calls of [...failAt, ...crashAt]) this.#requireCalls(calls);
    this.#process = this.#newProcess();
  }

  // What came of it

  get runId(): string {
    return this.#runId;
  }

  get reactor(): string {
    return this.#definition.name;
  }

  get status(): RunStatus {
    return this.#statusOf(this.#runId);
  }

  get ending(): RunEnding | undefined {
    return this.#endingOf(this.#runId);
  }

  get result(): unknown {
    return this.#resultOf(this.#runId);
  }

  get error(): ErrorOnTheWire | undefined {
    return this.#errorOf(this.#runId);
  }

  get events(): readonly RunEvent[] {
    return this.#recorder.history(this.#runId).map(({ event }) => event);
  }

  get lines(): readonly string[] {
    return this.events.map(describeEvent);
  }

  /** Runs that it composes, and those that they do, in the order in which they began. */
  get children(): readonly TestedRun[] {
    return this.#recorder.runIds
      .filter((runId) => runId !== this.#runId)
      .map((runId) => {
        const events = this.#recorder.history(runId).map(({ event }) => event);
        return {
          runId,
          reactor: this.#fold(runId).plan.definition.name,
          status: this.#statusOf(runId),
          ending: this.#endingOf(runId),
          result: this.#resultOf(runId),
          error: this.#errorOf(runId),
          events,
          lines: events.map(describeEvent),
        };
      });
  }

  /** Calls of functions with effects and of tasks, of this run and those it composes, in order. */
  get calls(): readonly TestCall[] {
    return [...this.#calls];
  }

  /** The same as short lines: `run pay`, `run pay, attempt 2`, `undo pay`. */
  get callLines(): readonly string[] {
    return this.#calls.map(
      ({ role, step, attempt }) => `${role} ${step}${attempt === 1 ? "" : `, attempt ${attempt}`}`,
    );
  }

  /** Entries of `failAt` and `crashAt` that no call has met so far: what a test says of them it has not proved. */
  get unmet(): readonly CallsOf[] {
    const { failAt = [], crashAt = [] } = this.#options;
    return [...failAt.filter((each) => !this.#failed.has(each)), ...crashAt.filter((each) => this.#crashes.has(each))];
  }

  /** What the engine has told of that went wrong and shows nowhere else, in sentences; and what was waited for in vain. */
  get problems(): readonly string[] {
    return [...this.#problems];
  }

  /**
   * Where steps broke: stacks of what their functions threw that says by no code what failed, each behind its step. Events hold none. The first
   * twenty, without what the test made fail.
   */
  get thrown(): readonly string[] {
    return [...this.#thrown];
  }

  /** How much simulated time has passed since it began, in milliseconds. */
  get elapsedMs(): number {
    return this.#clock.now() - this.#startMs;
  }

  /** What it and the runs it composes wait for from outside. */
  get waits(): readonly TestWait[] {
    return this.#openRuns().flatMap(({ runId, phase, review, open }) =>
      phase !== "going" || review !== undefined
        ? []
        : [...open.values()].flatMap(({ path, wait, retryAt }) =>
            retryAt === undefined && (wait?.for === "event" || wait?.for === "approval")
              ? [{ runId, step: path, wait }]
              : [],
          ),
    );
  }

  /** What `console.log` shows of it. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { status, result, error, lines, waits, problems, thrown } = this;
    return `TestRun ${inspect({ status, result, error, lines, waits, problems, thrown }, options)}`;
  }

  // What is done to it; each lets time pass until it has ended or waits again

  /** Hands over what a `waitFor` step waits for. Default key: the run's id, as it is the step's. */
  async send(event: string, payload: JsonValue, options: { readonly key?: string } = {}): Promise<this> {
    const { ctx, reactors } = this.#process;
    await this.#settled(reactors.send(ctx, event, options.key ?? this.#runId, payload));
    return await this.#pass();
  }

  /** Says yes to an approval: the only one that is asked for, or a step's. */
  approve(options: { readonly step?: string; readonly by?: string; readonly reason?: string } = {}): Promise<this> {
    return this.#decide("approved", options);
  }

  reject(options: { readonly step?: string; readonly by?: string; readonly reason?: string } = {}): Promise<this> {
    return this.#decide("rejected", options);
  }

  async cancel(reason = "The test cancels it."): Promise<this> {
    const { ctx, reactors } = this.#process;
    return await this.#direct(reactors.cancel(ctx, this.#runId, reason));
  }

  /** Undoes it, where it has completed and its reactor is reversible. */
  async undo(reason = "The test undoes it."): Promise<this> {
    const { ctx, reactors } = this.#process;
    return await this.#direct(reactors.undo(ctx, this.#runId, reason));
  }

  /** Says how it goes on where it needs a review, or a run that it composes does. */
  async review(
    decision: ReviewDecision,
    options: { readonly result?: JsonValue; readonly reason?: string } = {},
  ): Promise<this> {
    const { ctx, reactors } = this.#process;
    const standing = this.#openRuns().find(({ review }) => review !== undefined);
    return await this.#direct(reactors.review(ctx, standing?.runId ?? this.#runId, { decision, ...options }));
  }

  /** Lets time pass, in milliseconds, whatever it waits for: so that a wait's time is up. It stops early where the run has ended. */
  async advance(ms: number): Promise<this> {
    if (!(ms >= 0 && this.#clock.now() + ms <= maxTimeMs))
      throw wrongTest(
        `${ms} is no time that can pass`,
        "Say a number of milliseconds from 0 on, up to the last date there is.",
      );
    return await this.#pass(this.#clock.now() + ms);
  }

  /** @internal */
  async begin(input: JsonValue): Promise<void> {
    await this.#start();
    const { ctx, reactors } = this.#process;
    const begun = await this.#settled(reactors.begin(ctx, this.#definition.name, input));
    if (!begun.ok) throw new Error(begun.message);
    this.#runId = begun.runId;
    await this.#pass();
  }

  async #decide(
    decision: "approved" | "rejected",
    { step, by = "tester", reason }: { step?: string; by?: string; reason?: string },
  ): Promise<this> {
    const asked = this.waits.filter(({ wait }) => wait.for === "approval");
    const [one, ...others] = step === undefined ? asked : asked.filter((each) => isStep(each.step, step));
    if (one === undefined || others.length > 0 || one.wait.for !== "approval") throw notOneApproval(asked, step);
    const { ctx, reactors } = this.#process;
    const decided = { decision, ...(reason !== undefined && { reason }) };
    return await this.#direct(reactors.decide({ ...ctx, principal: by }, one.wait.approvalId, decided));
  }

  async #direct(directed: Promise<Directed>): Promise<this> {
    const answer = await this.#settled(directed);
    if (!answer.ok) throw wrongTest(answer.reason, "`lines` says what has happened so far.");
    return await this.#pass();
  }

  // The process that carries it on

  #newProcess(): TestProcess {
    const { seed = 1, tenant, principal = "tester", pools, doTask } = this.#options;
    this.#epoch += 1;
    const random = seededRandom(seed * 1_000 + this.#epoch);
    const clock = new ProcessClock(this.#clock);
    const calling: Calling = { clock, underWay: new Set() };
    const runtime = createRuntime({ clock, random });
    const ctx = rootContext(runtime, { principal, ...(tenant !== undefined && { tenant }) });
    const commit: Store["commit"] = async (batch, now, follow) => {
      const result = await this.#store.commit(batch, now, follow);
      this.#recorder.note(batch, result);
      return result;
    };
    const log = createLog(processStore(this.#store, clock, { commit }), runtime, {
      types: reactorEventTypes,
    });
    const membership = soleMembership(runtime.ids.next("prc"), this.#epoch);
    const wrapped = wrapFunctions(this.#definition, (call, run) => this.#call(calling, toCall(call), run));
    const tasks: DoTask | undefined =
      doTask === undefined
        ? undefined
        : async (_ctx, request) => {
            const { runId, step, attempt, args } = request;
            return await this.#call(calling, { role: "task", runId, step, attempt, args }, () => doTask(request));
          };
    const reactors = createReactors({
      log,
      runtime,
      membership,
      definitions: [wrapped],
      pools: pools ?? this.#namedPools(),
      ...(tasks !== undefined && { doTask: tasks }),
      onProblem: (message) => void this.#problems.push(message),
      onThrown: (thrown) => this.#noteThrown(thrown),
    });
    return { calling, ctx, log, reactors };
  }

  async #start(): Promise<void> {
    const { ctx, log, reactors } = this.#process;
    for (const part of [log, reactors]) await this.#settled(part.start(ctx));
  }

  #namedPools(): { readonly [name: string]: number } {
    const names = [...this.#definitions.values()].flatMap((each) =>
      [...planOf(each).nodes.values()].flatMap(({ node }) =>
        node.kind === "step" && node.pool !== undefined ? [node.pool] : [],
      ),
    );
    return Object.fromEntries(names.map((name) => [name, defaultPoolSize]));
  }

  /** A function is called: it fails or the process dies where the test says so. */
  #call(calling: Calling, call: Omit<TestCall, "atMs">, run: () => unknown): unknown {
    const { clock } = calling;
    const isDead = () => clock.state === "dead";
    // What it was about to call when it died it never calls.
    if (isDead()) return never();
    this.#calls.push({ ...call, atMs: this.elapsedMs });
    const { failAt = [] } = this.#options;
    const fails = (when: "before" | "after") =>
      failAt.find((each) => isMeant(each, call) && (each.when ?? "before") === when);
    const die = (when: "before" | "after"): Promise<never> | undefined => {
      const crash = [...this.#crashes].find((each) => isMeant(each, call) && (each.when ?? "before") === when);
      if (crash === undefined) return undefined;
      this.#crashes.delete(crash);
      clock.die();
      return never();
    };
    const crashed = die("before");
    if (crashed !== undefined) return crashed;
    const failing = fails("before");
    if (failing !== undefined) throw this.#errorAt(failing, call);
    const after = (result: unknown): unknown => {
      if (isDead()) return never();
      const crashedAfter = die("after");
      if (crashedAfter !== undefined) return crashedAfter;
      const failingAfter = fails("after");
      if (failingAfter !== undefined) throw this.#errorAt(failingAfter, call);
      return result;
    };
    const answered = run();
    if (!(answered instanceof Promise)) return after(answered);
    calling.underWay.add(call);
    const ended = () => void calling.underWay.delete(call);
    answered.then(ended, ended);
    return answered.then(after);
  }

  #errorAt(failing: FailAt, { role, step }: Omit<TestCall, "atMs">): unknown {
    this.#failed.add(failing);
    const error = "error" in failing ? failing.error : new Error(`${role} of ${step} was made to fail.`);
    this.#made.add(error);
    return error;
  }

  #noteThrown({ step, error }: Thrown): void {
    const stack = this.#made.has(error) || this.#thrown.length >= maxThrown ? undefined : stackOf(error);
    if (stack !== undefined) this.#thrown.push(`${step}: ${stack}`);
  }

  // Time

  /** Lets time pass until it has ended, or waits for somebody; with a limit until then, whatever it waits for. */
  async #pass(limitMs?: number): Promise<this> {
    for (let leaps = 0, sweeps = 0; leaps < maxLeaps; leaps++) {
      await this.#letRun();
      if (this.#process.calling.clock.state === "dead") {
        this.#process = this.#newProcess();
        await this.#start();
        continue;
      }
      if (this.#fold(this.#runId).phase === "ended" && this.#fold(this.#runId).undoRequested === undefined) return this;
      const nowMs = this.#clock.now();
      const { soonestMs, goesOn } = this.#dueTimes();
      const isAsked = this.waits.length > 0 || this.#openRuns().some((run) => run.review !== undefined);
      if (limitMs === undefined && !goesOn && (isAsked || this.status === "parked")) return this;
      if (limitMs !== undefined && (soonestMs ?? Number.POSITIVE_INFINITY) > limitMs) {
        await this.#clock.leapTo(limitMs);
        await this.#letRun();
        return this;
      }
      sweeps = soonestMs === undefined ? sweeps + 1 : 0;
      if (sweeps > maxIdleSweeps) break;
      await this.#clock.leapTo(soonestMs ?? nowMs + sweepMs);
    }
    const told = ["The run does not end, and waits for nobody:", ...this.lines.slice(-20), ...this.#problems].join(
      "\n",
    );
    throw new ViableError("reactor.endless_test", told, {
      next: `Have it end, or wait for somebody, within ${maxLeaps} times that something is due: less turns, elements or tries do.`,
    });
  }

  /** Lets all go on that can without time passing. What waits for something real is given some real time. */
  async #letRun(): Promise<void> {
    await this.#clock.settle();
    const patienceMs = this.#options.patienceMs ?? defaultPatienceMs;
    const untilMs = systemClock.monotonicMs() + patienceMs;
    // Each function that is waited for has a timer for the end of its time: where there are no others, it waits for something else.
    const { calling } = this.#process;
    const waitsForReal = () => calling.underWay.size > 0 && calling.clock.awaited <= calling.underWay.size;
    while (waitsForReal() && systemClock.monotonicMs() < untilMs) {
      await new Promise<void>((resolve) => void systemClock.setTimer(resolve, 1));
      await this.#clock.settle();
    }
    if (!waitsForReal()) return;
    for (const { role, step } of calling.underWay) {
      const what = `${role} ${step}`;
      if (this.#impatientOf.has(what)) continue;
      this.#impatientOf.add(what);
      this.#problems.push(
        `${what} has not ended within ${patienceMs} ms of real time, and simulated time goes on without it. Where it waits for something real, as a file, give it longer: patienceMs.`,
      );
    }
  }

  /** Until a promise is settled, with as much time passing as that takes. */
  async #settled<T>(promise: Promise<T>): Promise<T> {
    const isSettled = watch(promise);
    for (let leaps = 0; leaps < maxIdleSweeps; leaps++) {
      await this.#clock.settle();
      if (isSettled()) return await promise;
      await this.#clock.leapTo(this.#process.calling.clock.firstDueMs ?? this.#clock.now() + 1_000);
    }
    return await promise;
  }

  /** When something is due next; and whether anything of it is work, and no wait. */
  #dueTimes(): { readonly soonestMs: number | undefined; readonly goesOn: boolean } {
    const nowMs = this.#clock.now();
    const timerMs = this.#process.calling.clock.firstDueMs;
    const work = timerMs === undefined ? [] : [timerMs];
    const waits: number[] = [];
    for (const { phase, deadline, open, undo } of this.#openRuns()) {
      if (deadline !== undefined && phase === "going") waits.push(deadline);
      if (phase === "undoing" && undo.retryAt !== undefined) work.push(undo.retryAt);
      for (const { retryAt, wait } of open.values()) {
        if (phase === "going" && retryAt !== undefined) work.push(retryAt);
        else if (phase === "going" && wait !== undefined && "until" in wait && wait.until !== undefined)
          waits.push(wait.until);
      }
    }
    for (const { scheduledMs } of this.#process.reactors.openRuns(this.#process.ctx))
      if (scheduledMs !== undefined) waits.push(scheduledMs);
    // What is due beyond the last date never is.
    const isToCome = (atMs: number) => (atMs > nowMs || atMs === timerMs) && atMs <= maxTimeMs;
    const soonestMs = Math.min(...[...work, ...waits].filter(isToCome));
    return { soonestMs: Number.isFinite(soonestMs) ? soonestMs : undefined, goesOn: work.some(isToCome) };
  }

  // What is recorded, folded

  #openRuns(): readonly Progress[] {
    return this.#recorder.runIds
      .map((runId) => this.#fold(runId))
      .filter(({ phase, undoRequested }) => phase !== "ended" || undoRequested !== undefined);
  }

  #fold(runId: string): Progress {
    const history = this.#recorder.history(runId);
    let progress = this.#folded.get(runId);
    if (progress === undefined) {
      const [first] = history;
      const hash = first?.event.type === "run.started" ? first.event.data.hash : this.#definition.hash;
      progress = new Progress(planOf(this.#definitions.get(hash) ?? this.#definition), runId);
      this.#folded.set(runId, progress);
    }
    for (const { event, version } of history.slice(progress.version)) progress.apply(event, version);
    return progress;
  }

  /** As a view of it would say. */
  #statusOf(runId: string): RunStatus {
    const { tenant, principal } = this.#process.ctx;
    let state = this.#states.get(runId);
    for (const { event, version, atMs } of this.#recorder.history(runId).slice(state?.version ?? 0))
      state = foldRun(state, {
        id: `${runId}:${version}`,
        stream: runStream(runId),
        version,
        position: String(version),
        type: event.type,
        data: event.data as JsonObject,
        metadata: { tenant, actor: principal },
        time: atMs,
      });
    if (state === undefined) return "pending";
    this.#states.set(runId, state);
    return statusOf(state);
  }

  #endingOf(runId: string): RunEnding | undefined {
    const { phase, ended } = this.#fold(runId);
    return phase === "ended" ? (ended as RunEnding) : undefined;
  }

  #resultOf(runId: string): unknown {
    const ending = this.#endingOf(runId);
    return ending?.type === "run.completed" ? ending.data.result : undefined;
  }

  #errorOf(runId: string): ErrorOnTheWire | undefined {
    const ending = this.#endingOf(runId);
    if (ending === undefined) return this.#fold(runId).review?.error;
    return ending.type === "run.completed" ? undefined : errorOf(ending);
  }

  /** Refuses calls that no run can make, so that no test proves something by what does not happen. */
  #requireCalls({ step, role = "run", attempt = 1 }: CallsOf): void {
    const nodes = [...this.#definitions.values()].flatMap((each) => [...planOf(each).nodes.values()]);
    const meant = nodes.filter(({ path }) => path === staticPath(step));
    const [first] = meant;
    if (first === undefined)
      throw wrongTest(`There is no step "${step}"`, `Its steps are: ${nodes.map(({ path }) => path).join(", ")}.`);
    if (!Number.isInteger(attempt) || attempt < 1)
      throw wrongTest(`There is no attempt ${attempt} of "${step}"`, "They are counted from 1.");
    const called = meant.flatMap(rolesOf);
    if (called.length === 0)
      throw wrongTest(
        `"${step}" is ${kinds[first.node.kind]} and calls nothing`,
        "Name a step inside of it, or beside it.",
      );
    if (!called.includes(role))
      throw wrongTest(`"${step}" has no ${role}`, `It is called for: ${[...new Set(called)].join(", ")}.`);
    const tries = Math.max(...meant.map((each) => triesOf(each, role)));
    if (attempt > tries)
      throw wrongTest(
        `There is no attempt ${attempt} of "${step}"${role === "run" ? "" : ` ${role}`}: it is tried ${tries} times at most`,
        "Name one of these, or allow more (retry.maxAttempts).",
      );
    if (this.#options.doTask === undefined && meant.every(({ node }) => node.kind === "task"))
      throw wrongTest(`Nobody has the task of "${step}" done`, "Hand in who does: doTask.");
  }
}

/** What a step is called for. A task that is done is what a step runs. */
const rolesOf = ({ node, functions }: PlanNode): TestRole[] => {
  if (node.kind === "task") return ["run", "task"];
  return node.kind === "step" ? functionRoles.filter((role) => functions[role] !== undefined) : [];
};

/** How often it is called for that, at most, before it has failed or a person is asked; who then has it tried again has it counted anew. */
const triesOf = ({ node }: PlanNode, role: TestRole): number => {
  if (role === "compensate" || role === "undo") return clearingRetry.maxAttempts;
  return node.kind === "step" || node.kind === "task" ? node.retry.maxAttempts : 0;
};

const kinds: { readonly [Kind in NodeDefinition["kind"]]: string } = {
  step: "a step",
  task: "a task",
  map: "a map",
  switch: "a switch",
  group: "a group",
  repeat: "a repeat",
  compose: "a composed run",
  sleep: "a sleep",
  event: "a wait for an event",
  approval: "an approval",
};

/** What a process that has died comes to. */
const never = (): Promise<never> => new Promise(() => {});

const toCall = ({ role, ctx, args }: FunctionCall): Omit<TestCall, "atMs"> => ({
  role,
  runId: ctx.runId,
  step: ctx.step,
  attempt: ctx.attempt,
  args: args[0],
});

/** Whether a path of a run is that one, or of that step of the definition. */
const isStep = (path: string, step: string): boolean => path === step || staticPath(path) === step;

const isMeant = ({ step, role = "run", attempt }: CallsOf, call: Omit<TestCall, "atMs">): boolean =>
  isStep(call.step, step) &&
  (role === call.role || (role === "run" && call.role === "task")) &&
  (attempt === undefined || attempt === call.attempt);

/** Why there is not one approval that is meant. */
function notOneApproval(asked: readonly TestWait[], step: string | undefined): ViableError {
  const steps = asked.map((each) => each.step).join(", ");
  if (asked.length === 0)
    return wrongTest("No approval is asked for", "`waits` says what the run waits for, and `lines` what has happened.");
  if (step !== undefined && !asked.some((each) => isStep(each.step, step)))
    return wrongTest(
      `No approval is asked for by "${step}": those that are, are asked for by ${steps}`,
      "Name one of these steps, or let happen what comes before it.",
    );
  return wrongTest(
    `${asked.length} approvals are asked for (${steps}), and one is to be decided`,
    "Name its step, with the number of its element; `waits` says what the run waits for.",
  );
}

/** `reactor.wrong_test`: what the test asks for cannot be. */
const wrongTest = (message: string, next: string): ViableError =>
  new ViableError("reactor.wrong_test", `${message.replace(/\.$/, "")}.`, { next });
