import type { Membership } from "@viable/cluster";
import type { Context, JsonValue, Part, Runtime, Timer } from "@viable/kernel";
import {
  canonicalJson,
  invariant,
  isId,
  rootContext,
  sleep,
  untilSettled,
  ViableError,
  waitFor,
  withContext,
} from "@viable/kernel";
import type { Log, StoredEvent } from "@viable/log";
import { mayPass } from "@viable/log";
import type { Claim, ReviewDecision, RunEvent, RunEventData } from "@viable/protocol";
import type { ReactorDefinition } from "./definition.ts";
import { eventPattern, eventRule } from "./definition-rules.ts";
import { Definitions } from "./definitions.ts";
import type { DoTask } from "./do-task.ts";
import type { DriverPorts, News } from "./driver/run-driver.ts";
import { RunDriver } from "./driver/run-driver.ts";
import { DueTimes } from "./due-times.ts";
import { invalidInput, runNotFound } from "./errors.ts";
import { checkForkSize, forkedOutcomes } from "./fork-run.ts";
import { keepJson } from "./keep-json.ts";
import type { OpenRun } from "./open-runs.ts";
import { awaitedStream, createOpenRuns } from "./open-runs.ts";
import { planOf } from "./plan.ts";
import { Pools } from "./pools.ts";
import { Progress } from "./progress.ts";
import type { RunEnding } from "./read-run.ts";
import { firstEvent, isEnding, lastEvent, readRun, toRunEvent } from "./read-run.ts";
import { maxKeyChars, maxResultChars } from "./run-bounds.ts";
import { runIdFor } from "./run-id.ts";
import { runStream } from "./run-journal.ts";

/** How many runs are carried on at the same time in one process: each holds its state in memory. Others wait for their turn. */
const maxActiveRuns = 10_000;
/** How many that rest are kept in memory, so that a short wait costs no reading. */
const maxResting = 1_000;
/** How many runs without an outcome there may be; at a few hundred bytes each, and every process knows them all. */
const defaultMaxOpenRuns = 1_000_000;
/** How many runs are read from the log at the same time. */
const maxLoads = 64;
/** How often whoever waits for an end looks for itself, in milliseconds: of a run that is not known to be open, and of one that the log will tell of. */
const lookAgainMs = { unknown: 1_000, known: 10_000 };
/** How often an order to a run is decided anew because somebody else wrote first. */
const maxDecisions = 50;
/** How often runs are looked through for those that nobody carries on, in milliseconds: word of a gone process may not have come. */
const sweepEveryMs = 5_000;
/** What is due at once, before others get their turn. */
const dueAtOnce = 1_000;
/** Outcomes that a fork may take over, and their size: below what one append may carry. */
const maxForked = { events: 1_900, chars: 7 * 1024 * 1024 };

export interface ReactorsSettings {
  readonly log: Log;
  readonly runtime: Runtime;
  readonly membership: Membership;
  /** Those that can be begun and carried on here. Several versions of one may be there: runs keep theirs, new ones begin with the highest. */
  readonly definitions: readonly ReactorDefinition[];
  /** How many steps of one pool run at the same time in this process. */
  readonly pools?: { readonly [name: string]: number };
  /** Has tasks of `task` steps done. */
  readonly doTask?: DoTask;
  /** Default 1,000,000. */
  readonly maxOpenRuns?: number;
  /** Told in a sentence of what went wrong and shows nowhere else. */
  onProblem?(message: string): void;
}

export interface BeginOptions {
  /** A second beginning under the same key, of the same reactor and tenant, answers with the first run. */
  readonly key?: string;
  /** What it directly follows from, such as the command that begins it, and the session that this belongs to: noted with its first event. */
  readonly causation?: string | undefined;
  readonly session?: string | undefined;
}

export interface ForkOptions extends BeginOptions {
  /** One of the run's outermost steps: it and what comes after it are done again. */
  readonly from: string;
  /** Default: the run's own. */
  readonly input?: unknown;
}

/** What came of a beginning. */
export type Begun =
  | { readonly ok: true; readonly runId: string; readonly repeated: boolean }
  | {
      readonly ok: false;
      /**
       * `mismatch`: the key stands for a run with another input. `overloaded`: try again after `retryAfterMs`. Of a fork: the run has not
       * ended, or its definition is not here.
       */
      readonly reason: "mismatch" | "overloaded" | "not_ended" | "unknown_definition";
      readonly message: string;
      readonly retryAfterMs?: number;
    };

/** What came of an order to a run. */
export type Directed = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * Runs of reactors, in this process and any other that shares the log.
 *
 * Promised: what `begin` answered `ok` is durable (W1) and ends completed, failed, compensated or cancelled (W5), or stands in
 * `needs_review` and says so; no step begins before the outcomes it depends on are durable; a step's outcome is recorded once, and after a
 * crash no step that has one runs again; only whoever holds the claim writes outcomes: what a process writes that was held for gone is refused by the log.
 *
 * Not promised: that a step runs once: it runs at least once, unless it is declared not `idempotent`, and then at most once with a person asked where
 * nobody knows. That a run's steps run in one process. That pools bound what several processes do together.
 */
export interface Reactors extends Part {
  /** Throws `reactor.unknown` and `reactor.invalid_input`; then nothing was recorded. */
  begin(ctx: Context, reactor: string, input: unknown, options?: BeginOptions): Promise<Begun>;
  /** Waits for a run's end, as long as the context lasts. */
  whenEnded(ctx: Context, runId: string): Promise<RunEnding>;
  /** Ends a run and undoes what it did. */
  cancel(ctx: Context, runId: string, reason: string): Promise<Directed>;
  /** Undoes a run that has completed, where its reactor is reversible. */
  undo(ctx: Context, runId: string, reason: string): Promise<Directed>;
  /**
   * Begins a run that repeats one that has ended from one of its outermost steps on, with the same input or another: what does not come
   * after that step is taken over as it was, and stays where the fork is undone. Throws `reactor.not_forkable`, `reactor.invalid_input`.
   */
  fork(ctx: Context, runId: string, options: ForkOptions): Promise<Begun>;
  /** Says how a run goes on that stands in `needs_review`. */
  review(
    ctx: Context,
    runId: string,
    decision: { readonly decision: ReviewDecision; readonly result?: JsonValue; readonly reason?: string },
  ): Promise<Directed>;
  /** Decides what an approval step asks for. */
  decide(
    ctx: Context,
    approvalId: string,
    decision: { readonly decision: "approved" | "rejected"; readonly reason?: string },
  ): Promise<Directed>;
  /**
   * Hands something over to runs that wait for this event and key, now or later. Each run that asks for it takes it once. With an `id`
   * it can be repeated.
   */
  send(
    ctx: Context,
    event: string,
    key: string,
    payload: JsonValue,
    options?: { readonly id?: string; readonly source?: string },
  ): Promise<void>;
  readonly definitions: readonly ReactorDefinition[];
  /** Runs without an outcome, of this context's tenant (W11). */
  openRuns(ctx: Context): Iterable<OpenRun>;
  /** Measured, for health: runs carried on here, resting here, open anywhere, waiting to be read; and pools. */
  stats(): ReactorStats;
  /** Why the picture of open runs is no longer kept, where that is so: then the process should be restarted. */
  failure(): unknown;
}

export interface ReactorStats {
  readonly active: number;
  readonly resting: number;
  readonly open: number;
  readonly waiting: number;
  readonly pools: ReturnType<Pools["stats"]>;
}

/** Makes the runs of this process; nothing happens before `start`, which wants the log and the membership started. */
export function createReactors(settings: ReactorsSettings): Reactors {
  return new ReactorRuns(settings);
}

/**
 * Takes runs that nobody carries on, and hands them to drivers.
 *
 * A run is taken here where its claim is this process's, or nobody's, or one's that is gone, and something of it goes on, is due or was heard of.
 */
class ReactorRuns implements Reactors {
  readonly #settings: ReactorsSettings;
  readonly #definitions: Definitions;
  readonly #pools: Pools;
  readonly #open: ReturnType<typeof createOpenRuns>;
  readonly #drivers = new Map<string, { readonly driver: RunDriver; readonly epoch: number }>();
  /** Of those, which nothing goes on in; the longest first. */
  readonly #resting = new Set<RunDriver>();
  readonly #due = new DueTimes<string>();
  #dueTimer: { readonly timer: Timer; readonly atMs: number } | undefined;
  #sweepTimer: Timer | undefined;
  /** To be read and carried on, in their order. */
  readonly #waiting = new Set<string>();
  readonly #loading = new Set<string>();
  /** Open runs that this process could not make sense of: it does not try again. */
  readonly #unfit = new Set<string>();
  /** Begun by this process just now: their driver is made when the append is answered. */
  readonly #beginning = new Set<string>();
  readonly #endListeners = new Map<string, Set<(ending: RunEnding) => void>>();
  readonly #ports: DriverPorts;
  #stopGone: () => void = () => {};
  #state: "idle" | "running" | "stopped" = "idle";

  constructor(settings: ReactorsSettings) {
    this.#settings = settings;
    this.#definitions = new Definitions(settings.definitions);
    this.#pools = new Pools(settings.pools ?? {});
    for (const definition of this.#definitions.all)
      for (const { node } of planOf(definition).nodes.values())
        if (node.kind === "step" && node.pool !== undefined && !this.#pools.has(node.pool))
          throw new ViableError(
            "reactor.unknown_pool",
            `${definition.name}/${node.name} takes turns in "${node.pool}", which has no size.`,
            {
              next: `Say how many may run at the same time: pools: { "${node.pool}": 5 }.`,
            },
          );
    this.#open = createOpenRuns(settings.log, {
      changed: (run, event) => this.#changed(run, event),
      ended: (run, event) => this.#ended(run, event as RunEnding),
      received: (tenant, event, key) => {
        for (const run of this.#open.awaiting(tenant, event, key)) this.#tell(run, { event, key });
      },
    });
    this.#ports = this.#createPorts();
  }

  get definitions(): readonly ReactorDefinition[] {
    return this.#definitions.all;
  }

  async start(ctx: Context): Promise<void> {
    const { membership, runtime } = this.#settings;
    this.#state = "running";
    this.#stopGone = membership.onGone(() => this.#sweep());
    await this.#open.start(ctx);
    this.#sweep();
    const scheduleSweep = () => {
      this.#sweepTimer = runtime.clock.setTimer(
        () => {
          this.#sweep();
          scheduleSweep();
        },
        sweepEveryMs,
        { background: true },
      );
    };
    scheduleSweep();
  }

  /** Begins no step more, waits for those that run within the context, and ends them where they take longer. */
  async stop(ctx: Context): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "stopped";
    this.#stopGone();
    this.#sweepTimer?.cancel();
    this.#dueTimer?.timer.cancel();
    this.#waiting.clear();
    const drivers = [...this.#drivers.values()].map(({ driver }) => driver);
    const halted = Promise.all(drivers.map((driver) => driver.halt()));
    await waitFor(ctx, halted).catch(() => undefined);
    for (const driver of drivers) driver.abandon("this process stops");
    this.#drivers.clear();
    await this.#open.stop(ctx);
  }

  async begin(ctx: Context, name: string, input: unknown, options: BeginOptions = {}): Promise<Begun> {
    const definition = this.#definitions.newest(name);
    const judged = this.#judge(definition, input);
    const { key } = options;
    checkKey(name, key);
    if (this.#open.size >= (this.#settings.maxOpenRuns ?? defaultMaxOpenRuns))
      return { ok: false, reason: "overloaded", message: `${this.#open.size} runs are open.`, retryAfterMs: 1_000 };
    const runId = key === undefined ? ctx.runtime.ids.next("run") : runIdFor([ctx.tenant, name, key]);
    const data = this.#started(definition, judged, { ...(key !== undefined && { key }) });
    return await this.#append(ctx, definition, runId, [{ type: "run.started", data }], options);
  }

  /** Writes the first events of a run, and carries it on where they claim it for this process. */
  async #append(
    ctx: Context,
    definition: ReactorDefinition,
    runId: string,
    events: readonly [RunEvent & { type: "run.started" }, ...RunEvent[]],
    { causation, session }: BeginOptions,
  ): Promise<Begun> {
    const { membership, log } = this.#settings;
    const [{ data }] = events;
    this.#beginning.add(runId);
    try {
      const outcome = await log.append(ctx, {
        streams: [
          { stream: runStream(runId), expected: 0, events: events as never, correlation: runId, causation, session },
        ],
      });
      if (outcome.ok) {
        if (data.claim !== undefined && membership.epoch === data.claim.epoch && this.#state === "running") {
          const progress = new Progress(planOf(definition), runId);
          for (const [index, event] of events.entries()) progress.apply(event, index + 1);
          const { runtime, tenant, principal, traceparent } = ctx;
          this.#drive(rootContext(runtime, { tenant, principal, traceparent }), progress);
        }
        return { ok: true, runId, repeated: outcome.repeated };
      }
      if (outcome.reason === "overloaded")
        return {
          ok: false,
          reason: "overloaded",
          message: `${outcome.waiting} appends are waiting for the database.`,
          retryAfterMs: outcome.retryAfterMs,
        };
    } finally {
      this.#beginning.delete(runId);
    }
    return await this.#findFirst(ctx, runId, data.input);
  }

  async fork(ctx: Context, runId: string, options: ForkOptions): Promise<Begun> {
    const { from, input, key } = options;
    checkKey("fork", key);
    const ending = await this.#endingOf(ctx, runId);
    if (ending === undefined) return { ok: false, reason: "not_ended", message: `The run ${runId} has not ended.` };
    const original = await this.#readProgress(ctx, runId);
    if (original === undefined)
      return {
        ok: false,
        reason: "unknown_definition",
        message: `The definition that ${runId} began with is not here.`,
      };
    const { definition } = original.plan;
    const judged = input === undefined ? original.input : this.#judge(definition, input);
    const kept = forkedOutcomes(original, from);
    checkForkSize(runId, kept, maxForked.events, maxForked.chars);
    const forkId = key === undefined ? ctx.runtime.ids.next("run") : runIdFor([ctx.tenant, "fork", runId, from, key]);
    const data = this.#started(definition, judged, { forkedFrom: { runId, step: from } });
    return await this.#append(ctx, definition, forkId, [{ type: "run.started", data }, ...kept], options);
  }

  /** The run that a key stands for already. */
  async #findFirst(ctx: Context, runId: string, input: unknown): Promise<Begun> {
    const first = await firstEvent(ctx, this.#settings.log, runId);
    invariant(first !== undefined, "W5", `the run ${runId} is there and cannot be read`);
    if (canonicalJson(first.data.input as JsonValue) === canonicalJson(input as JsonValue))
      return { ok: true, runId, repeated: true };
    return { ok: false, reason: "mismatch", message: "This key was used for a run with another input." };
  }

  #judge(definition: ReactorDefinition, input: unknown): unknown {
    const parsed = definition.input.safeParse(input);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw invalidInput(
        definition.name,
        ["input", ...(issue?.path ?? [])].map(String).join("."),
        issue?.message ?? "does not fit",
      );
    }
    const kept = keepJson(parsed.data, maxResultChars);
    if (typeof kept === "string") throw invalidInput(definition.name, "input", kept);
    return kept.value;
  }

  #started(
    definition: ReactorDefinition,
    input: unknown,
    more: Partial<RunEventData<"run.started">>,
  ): RunEventData<"run.started"> {
    const { runtime } = this.#settings;
    const claim = this.#claim(1);
    return {
      reactor: definition.name,
      version: definition.version,
      hash: definition.hash,
      input: input as JsonValue,
      ...(definition.timeoutMs !== undefined && { deadline: runtime.clock.now() + definition.timeoutMs }),
      ...(claim !== undefined && { claim }),
      ...more,
    };
  }

  /** This process's claim, where it can take more. */
  #claim(attempt: number): Claim | undefined {
    const { membership } = this.#settings;
    const hasRoom = this.#drivers.size - this.#resting.size < maxActiveRuns;
    if (!membership.canClaim || !hasRoom || this.#state !== "running") return undefined;
    return { processId: membership.processId, epoch: membership.epoch, attempt };
  }

  async whenEnded(ctx: Context, runId: string): Promise<RunEnding> {
    for (;;) {
      let stop: () => void = () => {};
      const told = new Promise<RunEnding>((resolve) => {
        stop = this.#onEnded(runId, resolve);
      });
      try {
        const isDriven = this.#drivers.get(runId)?.driver.ctx.tenant === ctx.tenant;
        const known = isDriven ? undefined : await this.#readIfThere(ctx, runId);
        if (known !== undefined) return known;
        const heard = await untilSettled<RunEnding | undefined>(ctx, (resolve, reject) => {
          const againMs = this.#open.get(runId) === undefined ? lookAgainMs.unknown : lookAgainMs.known;
          const timer = ctx.runtime.clock.setTimer(() => resolve(undefined), againMs);
          told.then(resolve, reject);
          return () => timer.cancel();
        });
        if (heard !== undefined) return heard;
        const stored = await this.#readIfThere(ctx, runId);
        if (stored !== undefined) return stored;
      } finally {
        stop();
      }
    }
  }

  /** How it ended, where it has. While the database is away nothing is known, and the wait goes on. */
  async #readIfThere(ctx: Context, runId: string): Promise<RunEnding | undefined> {
    try {
      return await this.#endingOf(ctx, runId);
    } catch (error) {
      if (mayPass(error) && !ctx.signal.aborted) return undefined;
      throw error;
    }
  }

  async #endingOf(ctx: Context, runId: string): Promise<RunEnding | undefined> {
    const last = isId("run", runId) ? await lastEvent(ctx, this.#settings.log, runId) : undefined;
    if (last === undefined) throw runNotFound(runId);
    const event = toRunEvent(last);
    return isEnding(event) ? event : undefined;
  }

  #onEnded(runId: string, callback: (ending: RunEnding) => void): () => void {
    const listeners = this.#endListeners.get(runId) ?? new Set();
    this.#endListeners.set(runId, listeners.add(callback));
    return () => {
      listeners.delete(callback);
      if (listeners.size === 0 && this.#endListeners.get(runId) === listeners) this.#endListeners.delete(runId);
    };
  }

  #tellEnded(runId: string, ending: RunEnding): void {
    const listeners = this.#endListeners.get(runId);
    this.#endListeners.delete(runId);
    for (const listener of listeners ?? []) listener(ending);
  }

  // Orders from outside

  cancel(ctx: Context, runId: string, reason: string): Promise<Directed> {
    return this.#directByState(ctx, runId, ({ phase }) => {
      if (phase === "ended") return "It has ended.";
      if (phase !== "going") return "It goes no further already, and is being undone.";
      return { type: "run.cancel_requested", data: { by: ctx.principal, reason } };
    });
  }

  async undo(ctx: Context, runId: string, reason: string): Promise<Directed> {
    const first = await firstEvent(ctx, this.#settings.log, runId);
    if (first === undefined) throw runNotFound(runId);
    const { reactor, hash, parent } = first.data as unknown as RunEventData<"run.started">;
    const definition = this.#definitions.byHash(reactor, hash);
    if (definition !== undefined && !definition.reversible)
      return { ok: false, reason: `"${reactor}" is not declared reversible.` };
    return await this.#direct(ctx, runId, (last) =>
      last.type === "run.completed"
        ? {
            type: "run.undo_requested",
            data: { by: ctx.principal, reason, reactor, hash, ...(parent !== undefined && { parentId: parent.runId }) },
          }
        : isEnding(last)
          ? "It has not completed."
          : "It has not ended; cancel it instead.",
    );
  }

  review(
    ctx: Context,
    runId: string,
    { decision, result, reason }: { decision: ReviewDecision; result?: JsonValue; reason?: string },
  ): Promise<Directed> {
    return this.#directByState(ctx, runId, ({ review }) =>
      review === undefined
        ? "It does not wait for a review."
        : {
            type: "run.reviewed",
            data: {
              step: review.step,
              decision,
              by: ctx.principal,
              ...(result !== undefined && { result }),
              ...(reason !== undefined && { reason }),
            },
          },
    );
  }

  async decide(
    ctx: Context,
    approvalId: string,
    { decision, reason }: { decision: "approved" | "rejected"; reason?: string },
  ): Promise<Directed> {
    const over = "Nobody waits for it: it was decided, its time is up, or its run goes no further.";
    const run = this.#open.byApproval(approvalId);
    if (run === undefined || run.tenant !== ctx.tenant) return { ok: false, reason: over };
    const data = { approvalId, decision, by: ctx.principal, ...(reason !== undefined && { reason }) };
    return await this.#directByState(ctx, run.runId, ({ phase, open }) => {
      const isWaiting = [...open.values()].some(
        ({ wait }) => wait?.for === "approval" && wait.approvalId === approvalId,
      );
      return phase === "going" && isWaiting ? { type: "approval.decided", data } : over;
    });
  }

  async send(
    ctx: Context,
    event: string,
    key: string,
    payload: JsonValue,
    options: { readonly id?: string; readonly source?: string } = {},
  ): Promise<void> {
    const { id, source } = options;
    if (!eventPattern.test(event)) throw invalidInput("send", "event", eventRule);
    if (key.length === 0 || key.length > maxKeyChars)
      throw invalidInput("send", "key", `must be 1 to ${maxKeyChars} characters`);
    const data = { event, key, payload, ...(source !== undefined && { source }) };
    const outcome = await this.#settings.log.append(ctx, {
      streams: [
        {
          stream: awaitedStream(ctx.tenant, event, key),
          expected: "any",
          events: [{ type: "event.received", data, ...(id !== undefined && { id }) }],
        },
      ],
    });
    if (!outcome.ok)
      throw new ViableError("reactor.not_taken", `The log did not take ${event} for ${key}: ${outcome.reason}.`, {
        retryable: true,
        next: "Send it again with the same id.",
      });
  }

  /** Writes an order into a run's stream that is decided on its last event. */
  #direct(ctx: Context, runId: string, order: (last: RunEvent) => RunEvent | string): Promise<Directed> {
    return this.#place(ctx, runId, async () => {
      const last = isId("run", runId) ? await lastEvent(ctx, this.#settings.log, runId) : undefined;
      if (last === undefined) throw runNotFound(runId);
      return { version: last.version, ordered: order(toRunEvent(last)) };
    });
  }

  /** Writes an order that is decided on all of the run; so its definition must be here. */
  #directByState(ctx: Context, runId: string, order: (state: Progress) => RunEvent | string): Promise<Directed> {
    return this.#place(ctx, runId, async () => {
      if (!isId("run", runId) || (await firstEvent(ctx, this.#settings.log, runId)) === undefined)
        throw runNotFound(runId);
      const progress = await this.#readProgress(ctx, runId);
      return progress === undefined
        ? { version: 0, ordered: "The definition it began with is not here; ask a process that has it." }
        : { version: progress.version, ordered: order(progress) };
    });
  }

  /** Places an order at the version it was decided at; decided anew where somebody else wrote meanwhile. */
  async #place(
    ctx: Context,
    runId: string,
    decide: () => Promise<{ readonly version: number; readonly ordered: RunEvent | string }>,
  ): Promise<Directed> {
    for (let tries = 0; tries < maxDecisions; tries++) {
      const { version, ordered } = await decide();
      if (typeof ordered === "string") return { ok: false, reason: ordered };
      const events = [{ type: ordered.type, data: ordered.data as never }];
      const outcome = await this.#settings.log.append(ctx, {
        streams: [{ stream: runStream(runId), expected: version, events, correlation: runId }],
      });
      if (outcome.ok) return { ok: true };
      if (outcome.reason === "overloaded") await sleep(ctx, outcome.retryAfterMs);
    }
    return { ok: false, reason: "It goes on so quickly that the order could not be placed; try again." };
  }

  *openRuns(ctx: Context): Iterable<OpenRun> {
    for (const run of this.#open.all()) if (run.tenant === ctx.tenant) yield run;
  }

  stats(): ReactorStats {
    return {
      active: this.#drivers.size - this.#resting.size,
      resting: this.#resting.size,
      open: this.#open.size,
      waiting: this.#waiting.size,
      pools: this.#pools.stats(),
    };
  }

  failure(): unknown {
    return this.#open.failure();
  }

  // Which runs are carried on here

  #changed(run: OpenRun, event: RunEvent): void {
    if (this.#beginning.has(run.runId)) return;
    const driven = this.#drivers.get(run.runId);
    if (driven !== undefined) {
      if (driven.driver.news(run.version)) this.#resting.delete(driven.driver);
      return;
    }
    // Somebody else carries it on, or will: its claim says who.
    if (event.type === "run.claimed") return;
    this.#consider(run);
  }

  #ended(run: OpenRun, ending: RunEnding): void {
    this.#unfit.delete(run.runId);
    const driven = this.#drivers.get(run.runId);
    if (driven !== undefined) driven.driver.news(run.version);
    this.#tellEnded(run.runId, ending);
    const parent = run.parentId === undefined ? undefined : this.#open.get(run.parentId);
    if (parent !== undefined) this.#tell(parent, { runId: run.runId });
  }

  /** What a run waits for has happened. */
  #tell(run: OpenRun, about: News): void {
    const driven = this.#drivers.get(run.runId);
    this.#open.disturb(run);
    if (driven === undefined) {
      this.#consider(run);
      return;
    }
    this.#resting.delete(driven.driver);
    driven.driver.heardOf(about);
  }

  /** Reads a run and carries it on, where that is this process's to do and it does not do it. */
  #consider(run: OpenRun): void {
    if (this.#state !== "running" || this.#drivers.has(run.runId)) return;
    if (!this.#isFree(run.claim) || run.standing === "needs_review" || this.#unfit.has(run.runId)) return;
    if (run.standing === "parked" && this.#definitions.byHash(run.reactor, run.hash) === undefined) return;
    this.#waiting.add(run.runId);
    this.#loadNext();
  }

  #isFree(claim: Claim | undefined): boolean {
    const { membership } = this.#settings;
    if (claim === undefined) return true;
    if (claim.processId === membership.processId) return true;
    return membership.isGone(claim.processId, claim.epoch);
  }

  /** Looks for runs that nobody carries on. */
  #sweep(): void {
    const { membership, runtime } = this.#settings;
    for (const { driver, epoch } of [...this.#drivers.values()])
      if (!membership.canClaim || membership.epoch !== epoch) driver.lose("its process was held for gone");
    if (this.#state !== "running" || !membership.canClaim) return;
    const now = runtime.clock.now();
    for (const run of this.#open.all()) {
      if (this.#drivers.has(run.runId) || this.#beginning.has(run.runId) || this.#waiting.has(run.runId)) continue;
      if (run.standing === "needs_review" || !this.#isFree(run.claim)) continue;
      if (run.idle === undefined || run.standing === "parked" || (run.idle !== null && run.idle <= now))
        this.#consider(run);
      else if (run.idle !== null) this.#schedule(run.runId, run.idle);
    }
  }

  #schedule(runId: string, atMs: number): void {
    const run = this.#open.get(runId);
    if (run !== undefined) {
      if (run.scheduledMs === atMs) return;
      run.scheduledMs = atMs;
    }
    this.#due.add(atMs, runId);
    this.#armDue();
  }

  #armDue(): void {
    const atMs = this.#due.firstMs;
    if (atMs === undefined || this.#state !== "running") return;
    if (this.#dueTimer !== undefined && this.#dueTimer.atMs <= atMs) return;
    this.#dueTimer?.timer.cancel();
    const { clock } = this.#settings.runtime;
    const fire = () => {
      this.#dueTimer = undefined;
      for (const runId of this.#due.takeDue(clock.now(), dueAtOnce)) {
        const run = this.#open.get(runId);
        if (run !== undefined) run.scheduledMs = undefined;
        const driven = this.#drivers.get(runId);
        if (driven !== undefined) {
          this.#resting.delete(driven.driver);
          driven.driver.due();
        } else if (run !== undefined) this.#consider(run);
      }
      this.#armDue();
    };
    this.#dueTimer = { atMs, timer: clock.setTimer(fire, Math.max(0, atMs - clock.now()), { background: true }) };
  }

  #loadNext(): void {
    while (this.#loading.size < maxLoads && this.#drivers.size - this.#resting.size < maxActiveRuns) {
      const [runId] = this.#waiting;
      if (runId === undefined || this.#state !== "running") return;
      this.#waiting.delete(runId);
      const run = this.#open.get(runId);
      if (run === undefined || this.#loading.has(runId)) continue;
      this.#loading.add(runId);
      const { version } = run;
      void this.#load(run)
        .catch((error: unknown) => this.#loadFailed(run, error))
        .finally(() => {
          this.#loading.delete(runId);
          // What came while it was read may have been missed.
          const driven = this.#drivers.get(runId);
          if (run.version > version && driven !== undefined) {
            if (driven.driver.news(run.version)) this.#resting.delete(driven.driver);
          } else if (run.version > version) this.#consider(run);
          this.#loadNext();
        });
    }
  }

  async #loadFailed(run: OpenRun, error: unknown): Promise<void> {
    if (this.#state !== "running") return;
    if (mayPass(error)) {
      this.#schedule(run.runId, this.#settings.runtime.clock.now() + sweepEveryMs);
      return;
    }
    this.#unfit.add(run.runId);
    const reason = `It cannot be carried on: ${error instanceof Error ? error.message : String(error)}`;
    this.#settings.onProblem?.(`${run.runId}: ${reason}`);
    await this.#park(rootContext(this.#settings.runtime, { tenant: run.tenant }), run, reason).catch(() => undefined);
  }

  /** Reads a run, claims it where it is not this process's yet, and drives it. */
  async #load(run: OpenRun): Promise<void> {
    const { log, runtime, membership } = this.#settings;
    let ctx = rootContext(runtime, { tenant: run.tenant });
    const definition = this.#definitions.byHash(run.reactor, run.hash);
    if (definition === undefined) {
      await this.#park(ctx, run, this.#whyUnknown(run));
      return;
    }
    const progress = new Progress(planOf(definition), run.runId);
    for await (const stored of readRun(ctx, log, run.runId)) {
      if (stored.version === 1)
        ctx = withContext(ctx, { principal: stored.metadata.actor, traceparent: stored.metadata.traceparent });
      progress.apply(toRunEvent(stored), stored.version);
    }
    if (progress.phase === "ended" && progress.undoRequested === undefined) return;
    const { claim } = progress;
    const own = claim?.processId === membership.processId && claim.epoch === membership.epoch;
    if (!own) {
      if (
        claim !== undefined &&
        claim.processId !== membership.processId &&
        !membership.isGone(claim.processId, claim.epoch)
      )
        return;
      const taken = this.#claim((claim?.attempt ?? 0) + 1);
      if (taken === undefined) {
        this.#schedule(run.runId, runtime.clock.now() + sweepEveryMs);
        return;
      }
      const reason = claim === undefined ? "nobody had it" : `${claim.processId} of epoch ${claim.epoch} is gone`;
      const event: RunEvent = { type: "run.claimed", data: { ...taken, reason } };
      const outcome = await log.append(ctx, {
        streams: [
          {
            stream: runStream(run.runId),
            expected: progress.version,
            events: [event as never],
            correlation: run.runId,
          },
        ],
      });
      // Somebody else was quicker, or has ordered something: the log will say what.
      if (!outcome.ok) {
        this.#schedule(run.runId, runtime.clock.now() + (outcome.reason === "overloaded" ? outcome.retryAfterMs : 50));
        return;
      }
      progress.apply(event, progress.version + 1);
    }
    if (this.#state === "running" && !this.#drivers.has(run.runId)) this.#drive(ctx, progress, !own);
  }

  #whyUnknown({ reactor, hash }: OpenRun): string {
    const versions = this.#definitions.all
      .filter(({ name }) => name === reactor)
      .map((each) => `${each.hash} (version ${each.version})`);
    const here = versions.length === 0 ? "none of that name is here" : `here is ${versions.join(", ")}`;
    return `It began with the definition ${hash} of "${reactor}"; ${here}.`;
  }

  /** Nobody here can carry it on: it waits for a process that can, and says so. */
  async #park(ctx: Context, run: OpenRun, reason: string): Promise<void> {
    if (run.standing === "parked") return;
    await this.#place(ctx, run.runId, async () => {
      let claim: Claim | undefined;
      let last: StoredEvent | undefined;
      for await (const stored of readRun(ctx, this.#settings.log, run.runId)) {
        const event = toRunEvent(stored);
        if (event.type === "run.started" || event.type === "run.claimed")
          claim = event.type === "run.claimed" ? event.data : event.data.claim;
        last = stored;
      }
      // Whoever has it by now has its definition.
      const isOver = last === undefined || isEnding(toRunEvent(last)) || last.type === "run.parked";
      const ordered: RunEvent | string =
        isOver || !this.#isFree(claim) ? "It need not be parked." : { type: "run.parked", data: { reason } };
      return { version: last?.version ?? 0, ordered };
    });
  }

  /** `isTakeover`: somebody else had it, and may have begun what has no outcome. */
  #drive(ctx: Context, progress: Progress, isTakeover = false): void {
    const { epoch } = this.#settings.membership;
    const driver = new RunDriver(ctx, this.#ports, progress, { epoch, isTakeover });
    this.#drivers.set(progress.runId, { driver, epoch });
    driver.start();
  }

  async #readProgress(ctx: Context, runId: string): Promise<Progress | undefined> {
    let progress: Progress | undefined;
    for await (const stored of readRun(ctx, this.#settings.log, runId)) {
      const event = toRunEvent(stored);
      if (event.type === "run.started") {
        const definition = this.#definitions.byHash(event.data.reactor, event.data.hash);
        if (definition === undefined) return undefined;
        progress = new Progress(planOf(definition), runId);
      }
      progress?.apply(event, stored.version);
    }
    return progress;
  }

  #createPorts(): DriverPorts {
    const { log, membership } = this.#settings;
    return {
      log,
      pools: this.#pools,
      doTask: this.#settings.doTask,
      mayGoOn: (epoch) => membership.canClaim && membership.epoch === epoch,
      wakeAt: (runId, atMs) => this.#schedule(runId, atMs),
      startOf: (definition, input, parent) => this.#started(definition, this.#judge(definition, input), { parent }),
      outcomeOf: (ctx, runId) => this.#endingOf(ctx, runId),
      direct: async (ctx, runId, directive, reason) => {
        await (directive === "cancel" ? this.cancel(ctx, runId, reason) : this.undo(ctx, runId, reason));
      },
      reload: async (ctx, runId) => {
        const progress = await this.#readProgress(ctx, runId);
        const { claim } = progress ?? {};
        const own = claim?.processId === membership.processId && claim.epoch === membership.epoch;
        return own ? progress : undefined;
      },
      rest: (driver) => {
        this.#resting.delete(driver);
        this.#resting.add(driver);
        // So that nobody looks after it: the log said so only where it was known when it was written.
        const run = this.#open.get(driver.runId);
        if (run !== undefined) run.idle = driver.idleUntilMs;
        if (this.#resting.size > maxResting) {
          const [longest = driver] = this.#resting;
          this.#resting.delete(longest);
          longest.forget();
          this.#drivers.delete(longest.runId);
        }
        this.#loadNext();
      },
      leave: (driver, how) => {
        this.#resting.delete(driver);
        if (this.#drivers.get(driver.runId)?.driver === driver) this.#drivers.delete(driver.runId);
        if (how === "ended") this.#tellEnded(driver.runId, driver.progress.ended as RunEnding);
        this.#loadNext();
      },
      failed: (driver, error) => {
        driver.abandon("it cannot go on");
        this.#resting.delete(driver);
        if (this.#drivers.get(driver.runId)?.driver === driver) this.#drivers.delete(driver.runId);
        const run = this.#open.get(driver.runId);
        if (run !== undefined) void this.#loadFailed(run, error);
      },
    };
  }
}

function checkKey(reactor: string, key: string | undefined): void {
  if (key !== undefined && (key.length === 0 || key.length > maxKeyChars))
    throw invalidInput(reactor, "key", `must be 1 to ${maxKeyChars} characters`);
}
