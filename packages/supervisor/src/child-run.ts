import type { Context } from "@viable/kernel";
import { untilSettled, withContext } from "@viable/kernel";
import type { Child, ChildSpec } from "./child.ts";
import { startTimeout } from "./errors.ts";

/** As in OTP: long enough to finish a request, short enough for an orderly shutdown of several. */
const defaultStopWithinMs = 5_000;
/** A database that is initialised or recovered takes tens of seconds; what takes a minute hangs. */
const defaultStartWithinMs = 60_000;

/** Told what happens in a run, at the moment it happens. */
export interface RunListener {
  started(): void;
  /** It ended by itself (undefined where that is normal) or was killed. Not called for a run that never started, or was stopped. */
  ended(error: unknown): void;
  /** It let go after it was asked to stop; `error` is what its `stop` threw. */
  stopped(error: unknown): void;
  abandoned(afterMs: number): void;
}

export type StartResult =
  | { readonly kind: "running" }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "stopped" };

/**
 * One life of a child, from start to letting go. A restart is a new one.
 *
 *   starting ── ready ──▶ running ── ends by itself ─────────────▶ over
 *      │                     ├── kill: signal, then stop ────▶ over, letting go
 *      │                     └── stop ───────────────────────▶ over, letting go
 *      ├── fails ──▶ over
 *      └── kill, stop or too slow: signal ──▶ over, letting go (what starts too late is stopped at once)
 *
 * `letGo` settles when nothing of it is left, or when what is left was abandoned.
 */
export class ChildRun {
  readonly #spec: ChildSpec;
  readonly #ctx: Context;
  readonly #listener: RunListener;
  readonly #controller = new AbortController();
  readonly #stopWithinMs: number;
  #phase: "starting" | "running" | "over" = "starting";
  #child: Child | undefined;
  /** Settles with whatever `spec.start` does, however late. */
  #starting: Promise<Child> | undefined;
  #settleStart: (result: StartResult) => void = () => {};
  #letGo: Promise<void> = Promise.resolve();

  constructor(spec: ChildSpec, ctx: Context, listener: RunListener) {
    this.#spec = spec;
    this.#ctx = withContext(ctx, { signal: this.#controller.signal });
    this.#listener = listener;
    this.#stopWithinMs = spec.stopWithinMs ?? defaultStopWithinMs;
  }

  get letGo(): Promise<void> {
    return this.#letGo;
  }

  /** Called once. Never rejects. */
  start(atMostMs: number): Promise<StartResult> {
    return new Promise((resolve) => {
      const withinMs = Math.min(this.#spec.startWithinMs ?? defaultStartWithinMs, atMostMs);
      const timer = this.#ctx.runtime.clock.setTimer(() => this.kill(startTimeout(this.#spec.id, withinMs)), withinMs);
      this.#settleStart = (result) => {
        timer.cancel();
        resolve(result);
      };
      this.#starting = startOf(this.#spec, this.#ctx);
      this.#starting.then(
        (child) => this.#onReady(child),
        (error) => this.#onStartFailed(error),
      );
    });
  }

  /** Ends it as a crash would. False where it is over already. */
  kill(error: unknown): boolean {
    const phase = this.#phase;
    if (phase === "over") return false;
    this.#phase = "over";
    this.#controller.abort(error);
    this.#letGo = phase === "running" ? this.#waitForDeath() : this.#waitForLateStart();
    if (phase === "running") this.#listener.ended(error);
    else this.#settleStart({ kind: "failed", error });
    return true;
  }

  /** Stops it and waits until it has let go or was abandoned, but no longer than the context lasts. Safe to call twice. */
  async stop(ctx: Context): Promise<void> {
    const phase = this.#phase;
    if (phase !== "over") {
      this.#phase = "over";
      const endedMs = this.#nowMs();
      if (phase === "running") {
        this.#letGo = this.#stopChild(ctx, this.#child as Child).then((stopped) => {
          if (stopped.inTime) this.#listener.stopped(stopped.error);
          else this.#abandon(endedMs);
        });
      } else {
        this.#controller.abort();
        this.#letGo = this.#waitForLateStart();
        this.#settleStart({ kind: "stopped" });
      }
    }
    await waitAtMost(ctx, this.#letGo, Number.POSITIVE_INFINITY);
  }

  #onReady(child: Child): void {
    child.done.then(
      () => this.#onDone(undefined),
      (error) => this.#onDone(error ?? new Error("ended with a rejection that says nothing")),
    );
    if (this.#phase !== "starting") return;
    this.#phase = "running";
    this.#child = child;
    this.#listener.started();
    this.#settleStart({ kind: "running" });
  }

  #onStartFailed(error: unknown): void {
    if (this.#phase !== "starting") return;
    this.#phase = "over";
    this.#controller.abort(error);
    this.#settleStart({ kind: "failed", error });
  }

  #onDone(error: unknown): void {
    if (this.#phase !== "running") return;
    this.#phase = "over";
    // Whatever it left waiting in its context ends with it.
    this.#controller.abort(error);
    this.#listener.ended(error);
  }

  /** After a kill: gives it time to heed its signal, then asks it to stop, so that a restart finds ports and files free. */
  async #waitForDeath(): Promise<void> {
    const endedMs = this.#nowMs();
    const child = this.#child as Child;
    if (await waitAtMost(unbounded(this.#ctx), child.done, this.#stopWithinMs)) return;
    const { inTime } = await this.#stopChild(unbounded(this.#ctx), child);
    if (!inTime) this.#abandon(endedMs);
  }

  /** After a start was given up: what comes of it all the same is stopped again. */
  async #waitForLateStart(): Promise<void> {
    const endedMs = this.#nowMs();
    const stopped = (this.#starting as Promise<Child>).then(
      async (child) => {
        await this.#stopChild(unbounded(this.#ctx), child);
      },
      () => {},
    );
    if (!(await waitAtMost(unbounded(this.#ctx), stopped, this.#stopWithinMs))) {
      this.#abandon(endedMs);
    }
  }

  #abandon(endedMs: number): void {
    this.#listener.abandoned(this.#nowMs() - endedMs);
  }

  #nowMs(): number {
    return this.#ctx.runtime.clock.monotonicMs();
  }

  async #stopChild(ctx: Context, child: Child): Promise<{ inTime: boolean; error: unknown }> {
    let thrown: unknown;
    const deadline = ctx.runtime.clock.now() + this.#stopWithinMs;
    const stopping = stopOf(child, withContext(ctx, { deadline })).catch((error) => {
      thrown = error;
    });
    const inTime = await waitAtMost(ctx, stopping, this.#stopWithinMs);
    this.#controller.abort();
    return { inTime, error: thrown };
  }
}

// A child may throw before it returns a promise; that is the same as rejecting.
const startOf = async (spec: ChildSpec, ctx: Context): Promise<Child> => await spec.start(ctx);
const stopOf = async (child: Child, ctx: Context): Promise<void> => await child.stop(ctx);

/** The context of an end that the aborted signal of what is ending must not cut short. */
const unbounded = (ctx: Context): Context => ({ ...ctx, deadline: undefined, signal: new AbortController().signal });

/** Whether a promise settled (either way) within the time and the context. The timer keeps the process alive: an end must be finished. */
function waitAtMost(ctx: Context, promise: Promise<unknown>, withinMs: number): Promise<boolean> {
  return untilSettled<boolean>(ctx, (resolve) => {
    promise.then(
      () => resolve(true),
      () => resolve(true),
    );
    if (withinMs === Number.POSITIVE_INFINITY) return () => {};
    const timer = ctx.runtime.clock.setTimer(() => resolve(false), withinMs);
    return () => timer.cancel();
  }).catch(() => false);
}
