import type { Context, ErrorOnTheWire } from "@viable/kernel";
import { backoffMs, rootContext, sleep, throwIfDone, toWire, ViableError, waitFor } from "@viable/kernel";
import type { ChildInfo, ChildSpec, ChildState } from "./child.ts";
import { ChildRun } from "./child-run.ts";
import { duplicateChild, intensityExceeded, killed, notRunning, startFailed } from "./errors.ts";
import type { SupervisorEvent } from "./events.ts";
import type { Intensity, RestartPause, SuperviseOptions, Supervisor } from "./supervisor.ts";

const defaultIntensity: Intensity = { maxRestarts: 5, withinMs: 10_000 };
const defaultPause: RestartPause = { baseMs: 50, maxMs: 1_000 };

/** A child's place, which outlives its lives. */
interface Slot {
  readonly spec: ChildSpec;
  /** Grows with every child added; children start in this order. */
  readonly order: number;
  state: ChildState;
  run: ChildRun | undefined;
  restarts: number;
  /** Failures in a row, for the pause. A life as long as the intensity's window ends the row. */
  failures: number;
  runningSinceMs: number;
  lastError: ErrorOnTheWire | undefined;
  removed: boolean;
}

/** Makes a supervisor; nothing happens before `start`. */
export function supervise(options: SuperviseOptions): Supervisor {
  return new SupervisorTree(options);
}

type State = "new" | "starting" | "running" | "stopping" | "over";

/**
 *   new ── start ──▶ starting ── all run ──▶ running ── stop ──────────────────────────▶ stopping ──▶ over (done resolves)
 *                       │                      │ ├──── too many restarts (gave_up) ──▶ stopping ──▶ over (done rejects)
 *                       │                      │ └──── context aborted: kill all ────▶ stopping ──▶ over (done rejects)
 *                       │                      └─◀─ a child ended and is restarted, see below
 *                       └── one fails, or stop ──▶ stopping ──▶ over
 *
 * Each child:   starting ▶ running ▶ (crash, kill or end) ▶ waiting ▶ starting …   or ▶ ended;   any ▶ stopping ▶ stopped
 *
 * Restarts under one-for-one go on independently, one loop per child. Under the other strategies there is one loop for all:
 *
 *   1. stop, in reverse order, every child from the first that must be restarted
 *   2. pause; if meanwhile one before it crashed, go to 1 with that one
 *   3. start them in order; if meanwhile one crashes or does not start, go to 1 with that one
 *
 * A child that crashes during 1 or 2 while it is waiting to be restarted anyway does not count against the intensity, as in OTP.
 */
class SupervisorTree implements Supervisor {
  readonly name: string;
  readonly done: Promise<void>;
  readonly #options: SuperviseOptions;
  readonly #intensity: Intensity;
  readonly #pause: RestartPause;
  readonly #settled = Promise.withResolvers<void>();
  readonly #life = new AbortController();
  #state: State = "new";
  #slots: Slot[];
  #nextOrder = 0;
  /** The children's context: as `start` was given it, without its deadline. Set by `start`. */
  #ctx: Context | undefined;
  #ignoreAbort: () => void = () => {};
  /** What ended while the others were still starting. */
  #endedEarly: { slot: Slot; error: unknown }[] = [];
  #restartTimes: number[] = [];
  /** Where the next round of a group restart begins; undefined where no further round is needed. */
  #restartFromOrder: number | undefined;
  #groupRestart: Promise<void> | undefined;
  #lastCrashed: Slot | undefined;
  #ending: Promise<void> | undefined;

  constructor(options: SuperviseOptions) {
    this.name = options.name;
    this.#options = options;
    this.#intensity = options.intensity ?? defaultIntensity;
    this.#pause = options.backoff ?? defaultPause;
    this.done = this.#settled.promise;
    // Whether anybody listens is their affair; an unheard rejection must not end the process.
    this.done.catch(() => {});
    this.#slots = [];
    for (const spec of options.children) this.#addSlot(spec);
  }

  async start(ctx: Context): Promise<void> {
    if (this.#state !== "new") throw notRunning(this.name);
    this.#state = "starting";
    const { runtime, tenant, principal, traceparent, signal } = ctx;
    this.#ctx = rootContext(runtime, { tenant, principal, traceparent, signal });
    const fall = () => this.#fall(signal.reason);
    signal.addEventListener("abort", fall, { once: true });
    this.#ignoreAbort = () => signal.removeEventListener("abort", fall);
    if (signal.aborted) fall();

    for (const slot of [...this.#slots]) {
      if (!this.#isIn("starting")) break;
      const result = await this.#launch(slot, leftMs(ctx));
      if (result.kind === "failed" && this.#isIn("starting")) {
        this.#noteCrash(slot, result.error, false);
        const error = startFailed(this.name, slot.spec.id, result.error);
        await this.#end(this.#ctx, () => this.#settled.reject(error));
        throw error;
      }
    }
    if (!this.#isIn("starting")) {
      await this.#ending;
      throw notRunning(this.name);
    }
    this.#state = "running";
    for (const { slot, error } of this.#endedEarly.splice(0)) this.#decide(slot, error);
  }

  stop(ctx: Context): Promise<void> {
    if (this.#state === "new") {
      this.#state = "over";
      this.#settled.resolve();
    }
    if (this.#state === "over") return Promise.resolve();
    return this.#end(ctx, () => this.#settled.resolve());
  }

  kill(childId: string, reason: string): boolean {
    const run = this.#find(childId)?.run;
    return run?.kill(killed(childId, reason)) ?? false;
  }

  children(): readonly ChildInfo[] {
    return this.#slots.map(toInfo);
  }

  child(childId: string): ChildInfo | undefined {
    const slot = this.#find(childId);
    return slot === undefined ? undefined : toInfo(slot);
  }

  async add(ctx: Context, spec: ChildSpec): Promise<void> {
    // A group restart under way must not find a child that it has not stopped.
    while (this.#groupRestart !== undefined) await waitFor(ctx, this.#groupRestart);
    throwIfDone(ctx);
    if (this.#state !== "running") throw notRunning(this.name);
    const slot = this.#addSlot(spec);
    const result = await this.#launchFor(ctx, slot);
    if (result.kind === "failed") {
      this.#noteCrash(slot, result.error, false);
      this.#forget(slot);
      throw startFailed(this.name, spec.id, result.error);
    }
    // Stopped while it started, by a restart of its siblings: then that restart starts it.
    if (result.kind === "stopped" && this.#groupRestart !== undefined) {
      await waitFor(ctx, this.#groupRestart).catch((error) => {
        void this.remove(this.#ctx as Context, spec.id);
        throw error;
      });
    }
    if (slot.removed || !this.#isIn("running")) throw notRunning(this.name);
  }

  async remove(ctx: Context, childId: string): Promise<boolean> {
    const slot = this.#find(childId);
    if (slot === undefined) return false;
    slot.removed = true;
    await this.#stopSlot(slot, ctx, "stopped");
    this.#forget(slot);
    return true;
  }

  // One child

  #addSlot(spec: ChildSpec): Slot {
    if (this.#find(spec.id) !== undefined) throw duplicateChild(this.name, spec.id);
    const slot: Slot = {
      spec,
      order: this.#nextOrder++,
      state: "waiting",
      run: undefined,
      restarts: 0,
      failures: 0,
      runningSinceMs: 0,
      lastError: undefined,
      removed: false,
    };
    this.#slots.push(slot);
    return slot;
  }

  #find(childId: string): Slot | undefined {
    return this.#slots.find((slot) => slot.spec.id === childId);
  }

  #forget(slot: Slot): void {
    slot.removed = true;
    this.#slots = this.#slots.filter((other) => other !== slot);
  }

  #launch(slot: Slot, atMostMs: number) {
    const ctx = this.#ctx as Context;
    const child = slot.spec.id;
    slot.state = "starting";
    slot.runningSinceMs = Number.POSITIVE_INFINITY;
    const run = new ChildRun(slot.spec, ctx, {
      started: () => {
        slot.state = "running";
        slot.runningSinceMs = ctx.runtime.clock.monotonicMs();
        this.#emit({ type: "started", child });
      },
      ended: (error) => this.#onEnded(slot, error),
      stopped: (error) => {
        if (error !== undefined) slot.lastError = toWire(error);
        this.#emit({ type: "stopped", child });
      },
      abandoned: (afterMs) => this.#emit({ type: "abandoned", child, afterMs }),
    });
    slot.run = run;
    return run.start(atMostMs);
  }

  /** Launches a child on behalf of somebody: when they go, it has failed to start. */
  async #launchFor(ctx: Context, slot: Slot) {
    const launched = this.#launch(slot, leftMs(ctx));
    const { run } = slot;
    const giveUp = () => {
      // What has started is no longer its caller's.
      if (slot.state !== "starting") return;
      run?.kill(new ViableError("context.cancelled", "The caller cancelled.", { cause: ctx.signal.reason }));
    };
    ctx.signal.addEventListener("abort", giveUp, { once: true });
    try {
      return await launched;
    } finally {
      ctx.signal.removeEventListener("abort", giveUp);
    }
  }

  async #stopSlot(slot: Slot, ctx: Context, after: "waiting" | "stopped"): Promise<void> {
    const hasEnded = slot.state === "ended";
    if (!hasEnded) slot.state = "stopping";
    // Also what was killed may still be letting go.
    await slot.run?.stop(ctx);
    if (after === "waiting" && this.#isIn("running")) slot.state = "waiting";
    else slot.state = hasEnded ? "ended" : "stopped";
  }

  #noteCrash(slot: Slot, error: unknown, restarts: boolean): void {
    slot.lastError = toWire(error);
    const life = this.#nowMs() - slot.runningSinceMs;
    slot.failures = life >= this.#intensity.withinMs ? 1 : slot.failures + 1;
    this.#emit({ type: "crashed", child: slot.spec.id, error: slot.lastError, restarts });
  }

  // Restarts

  #onEnded(slot: Slot, error: unknown): void {
    const restarts = isRestarted(slot.spec, error) && !slot.removed && this.#state !== "stopping";
    slot.state = restarts ? "waiting" : "ended";
    if (error === undefined) this.#emit({ type: "ended", child: slot.spec.id, restarts });
    else this.#noteCrash(slot, error, restarts);
    if (this.#state === "starting") this.#endedEarly.push({ slot, error });
    else this.#decide(slot, error);
  }

  /** What follows from the end of a child that ran. */
  #decide(slot: Slot, error: unknown): void {
    if (this.#state !== "running") return;
    if (slot.spec.restart === "temporary") {
      // Kept in view until it has let go, so that a stop meanwhile waits for it.
      void slot.run?.letGo.then(() => this.#forget(slot));
      return;
    }
    if (slot.state !== "waiting") return;
    if (this.#restartFromOrder !== undefined && slot.order >= this.#restartFromOrder) return;
    if (this.#mayRestart(error)) this.#restart(slot);
  }

  #restart(slot: Slot): void {
    if (this.#options.strategy === "one-for-one") {
      void this.#restartOne(slot);
      return;
    }
    const from = this.#options.strategy === "one-for-all" ? 0 : slot.order;
    this.#restartFromOrder = Math.min(from, this.#restartFromOrder ?? from);
    // What is being started builds on what has just crashed; it would only be stopped after it was ready.
    for (const other of this.#slots) {
      if (other.state === "starting" && other.order >= from)
        void this.#stopSlot(other, this.#ctx as Context, "waiting");
    }
    this.#lastCrashed = slot;
    this.#groupRestart ??= this.#restartGroup();
  }

  async #restartOne(slot: Slot): Promise<void> {
    for (;;) {
      await slot.run?.letGo;
      await this.#sleepBefore(slot);
      if (!this.#isIn("running") || slot.removed) return;
      const result = await this.#launch(slot, Number.POSITIVE_INFINITY);
      if (result.kind === "running") this.#noteRestarted(slot);
      if (result.kind !== "failed" || !this.#isIn("running") || slot.removed) return;
      slot.state = "waiting";
      this.#noteCrash(slot, result.error, true);
      if (!this.#mayRestart(result.error)) return;
    }
  }

  async #restartGroup(): Promise<void> {
    while (this.#restartFromOrder !== undefined && this.#isIn("running")) {
      const from = this.#restartFromOrder;
      await this.#stopFrom(from);
      await this.#sleepBefore(this.#lastCrashed as Slot);
      if (this.#restartFromOrder < from) continue;
      this.#restartFromOrder = undefined;
      await this.#startFrom(from);
    }
    this.#restartFromOrder = undefined;
    // In the same turn as the last look at what is to be restarted: who crashes after that look must find no restart under way.
    this.#groupRestart = undefined;
  }

  async #stopFrom(order: number): Promise<void> {
    for (const slot of this.#slots.filter((other) => other.order >= order).reverse()) {
      if (!this.#isIn("running")) return;
      await this.#stopSlot(slot, this.#ctx as Context, "waiting");
      if (slot.spec.restart === "temporary") this.#forget(slot);
    }
  }

  /** Starts what waits, in order. Ends early where a further round is needed. */
  async #startFrom(order: number): Promise<void> {
    for (const slot of this.#slots.filter((other) => other.order >= order)) {
      if (!this.#isIn("running") || this.#restartFromOrder !== undefined) return;
      if (slot.removed || slot.state !== "waiting") continue;
      const result = await this.#launch(slot, Number.POSITIVE_INFINITY);
      if (result.kind === "running") this.#noteRestarted(slot);
      if (result.kind !== "failed" || !this.#isIn("running") || slot.removed) continue;
      slot.state = "waiting";
      this.#noteCrash(slot, result.error, true);
      if (this.#mayRestart(result.error)) this.#restart(slot);
    }
  }

  #noteRestarted(slot: Slot): void {
    slot.restarts += 1;
    this.#emit({ type: "restarted", child: slot.spec.id, restarts: slot.restarts });
  }

  async #sleepBefore(slot: Slot): Promise<void> {
    const ctx = { ...(this.#ctx as Context), signal: this.#life.signal };
    const backoff = { ...this.#pause, maxAttempts: Number.POSITIVE_INFINITY };
    // Its only failure is that this supervisor ends, which whoever waits looks at next.
    await sleep(ctx, backoffMs(backoff, Math.max(1, slot.failures), ctx.runtime.random) ?? 0).catch(() => {});
  }

  /** Counts a restart; where it is one too many, gives up and says no. */
  #mayRestart(cause: unknown): boolean {
    const { maxRestarts, withinMs } = this.#intensity;
    const now = this.#nowMs();
    this.#restartTimes = this.#restartTimes.filter((time) => time > now - withinMs);
    this.#restartTimes.push(now);
    if (this.#restartTimes.length <= maxRestarts) return true;
    const error = intensityExceeded(this.name, maxRestarts, withinMs, cause);
    this.#emit({ type: "gave_up", error: toWire(error) });
    void this.#end(this.#ctx as Context, () => this.#settled.reject(error));
    return false;
  }

  // The end

  #end(ctx: Context, settle: () => void): Promise<void> {
    this.#ending ??= this.#stopAll(ctx).then(() => {
      this.#state = "over";
      this.#ignoreAbort();
      settle();
    });
    return this.#ending;
  }

  async #stopAll(ctx: Context): Promise<void> {
    this.#state = "stopping";
    this.#life.abort();
    for (const slot of [...this.#slots].reverse()) await this.#stopSlot(slot, ctx, "stopped");
  }

  /** The context this supervisor lives in was aborted: nobody is asked, all are killed at once. */
  #fall(reason: unknown): void {
    if (this.#ending !== undefined) return;
    this.#state = "stopping";
    this.#life.abort();
    const error = killed(this.name, toWire(reason).message);
    for (const slot of this.#slots) slot.run?.kill(error);
    void this.#end(rootContext((this.#ctx as Context).runtime), () => this.#settled.reject(error));
  }

  // A method, since the state may change during any wait, which the compiler's narrowing does not know.
  #isIn(state: State): boolean {
    return this.#state === state;
  }

  #nowMs(): number {
    return (this.#ctx as Context).runtime.clock.monotonicMs();
  }

  /** Calls back in a turn of its own: what a listener throws is a defect that must show, but not disturb what is supervised. */
  #emit(event: EventWithoutOrigin): void {
    const { onEvent } = this.#options;
    if (onEvent === undefined) return;
    const atMs = (this.#ctx as Context).runtime.clock.now();
    queueMicrotask(() => onEvent({ supervisor: this.name, atMs, ...event }));
  }
}

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
type EventWithoutOrigin = Without<SupervisorEvent, "supervisor" | "atMs">;

/** How long a context has left, in milliseconds. */
const leftMs = ({ deadline, runtime }: Context): number =>
  deadline === undefined ? Number.POSITIVE_INFINITY : deadline - runtime.clock.now();

const isRestarted = (spec: ChildSpec, error: unknown): boolean =>
  spec.restart === "permanent" || (spec.restart === "transient" && error !== undefined);

const toInfo = ({ spec, state, restarts, lastError }: Slot): ChildInfo => ({ id: spec.id, state, restarts, lastError });
