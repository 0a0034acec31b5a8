import type { Runtime, Timer } from "@viable/kernel";
import { DueTimes } from "./due-times.ts";

/** What is due at once, before others get their turn. */
const dueAtOnce = 1_000;

/** Tells of runs at the times that were asked for, by one timer for all of them. */
export class WakeUps {
  readonly #runtime: Runtime;
  readonly #wake: (runId: string) => void;
  readonly #times = new DueTimes<string>();
  #timer: { readonly timer: Timer; readonly atMs: number } | undefined;
  #isStopped = false;

  constructor(runtime: Runtime, wake: (runId: string) => void) {
    this.#runtime = runtime;
    this.#wake = wake;
  }

  /** `atMs` is wall time in milliseconds. What is added twice is told of twice. */
  add(runId: string, atMs: number): void {
    this.#times.add(atMs, runId);
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.timer.cancel();
  }

  #arm(): void {
    const atMs = this.#times.firstMs;
    if (atMs === undefined || this.#isStopped) return;
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.timer.cancel();
    const { clock } = this.#runtime;
    const timer = clock.setTimer(() => this.#fire(), Math.max(0, atMs - clock.now()), { background: true });
    this.#timer = { atMs, timer };
  }

  #fire(): void {
    this.#timer = undefined;
    for (const runId of this.#times.takeDue(this.#runtime.clock.now(), dueAtOnce)) this.#wake(runId);
    this.#arm();
  }
}
