import type { Runtime, Timer } from "@viable/kernel";
import { DueTimes } from "./due-times.ts";

/** What is due at once, before others get their turn. */
const dueAtOnce = 1_000;

/** How long it sleeps at most before it looks at the clock, in milliseconds: wall time may jump, as over a machine's sleep. */
const lookMs = 60_000;

/** How many times are kept that count no more, beside as many as there are runs that do, before they are cleared away. */
const maxSpare = 1_000;

/**
 * Tells of runs at the earliest of the times that were asked for, by one timer for all of them; where wall time jumps past one, within a
 * minute. Whoever is told looks for itself when there is something to do next, and asks for that. So each run is kept once, and none that is
 * over.
 */
export class WakeUps {
  readonly #runtime: Runtime;
  readonly #wake: (runId: string) => void;
  /** When each run is told of next, wall time in milliseconds. */
  readonly #next = new Map<string, number>();
  /** All of these times, and some that count no more. */
  #times = new DueTimes<string>();
  /** It fires at that monotonic time, whatever becomes of wall time. */
  #timer: { readonly timer: Timer; readonly atMs: number } | undefined;
  #isStopped = false;

  constructor(runtime: Runtime, wake: (runId: string) => void) {
    this.#runtime = runtime;
    this.#wake = wake;
  }

  /** How many times are kept. */
  get size(): number {
    return this.#times.size;
  }

  /** Asks for a time, which is wall time in milliseconds; answers when the run is told of next, which may be sooner. */
  add(runId: string, atMs: number): number {
    const nextMs = this.#next.get(runId) ?? Number.POSITIVE_INFINITY;
    if (nextMs <= atMs) return nextMs;
    this.#next.set(runId, atMs);
    this.#times.add(atMs, runId);
    this.#clear();
    this.#arm();
    return atMs;
  }

  /** It is over: nothing is told of it any more. */
  remove(runId: string): void {
    if (this.#next.delete(runId)) this.#clear();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.timer.cancel();
  }

  #arm(): void {
    const firstMs = this.#times.firstMs;
    if (firstMs === undefined || this.#isStopped) return;
    const { clock } = this.#runtime;
    const waitMs = Math.min(Math.max(0, firstMs - clock.now()), lookMs);
    const atMs = clock.monotonicMs() + waitMs;
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.timer.cancel();
    this.#timer = { atMs, timer: clock.setTimer(() => this.#fire(), waitMs, { background: true }) };
  }

  #fire(): void {
    this.#timer = undefined;
    const now = this.#runtime.clock.now();
    for (const runId of this.#times.takeDue(now, dueAtOnce)) {
      // Else it was told of sooner, or is over.
      if ((this.#next.get(runId) ?? Number.POSITIVE_INFINITY) > now) continue;
      this.#next.delete(runId);
      this.#wake(runId);
    }
    this.#arm();
  }

  /** Clears away what counts no more, once that is the greater part: so it costs each time that was asked for next to nothing. */
  #clear(): void {
    if (this.#times.size > 2 * this.#next.size + maxSpare)
      this.#times = new DueTimes(Array.from(this.#next, ([item, atMs]) => ({ atMs, item })));
  }
}
