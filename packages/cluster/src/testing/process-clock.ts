import type { Clock, Timer } from "@viable/kernel";

/**
 * One process's clock on a time that several share: its wall clock can be moved, and it can be paused. Then its timers wait while time goes
 * on, as a stopped process's do.
 */
export class ProcessClock implements Clock {
  readonly #time: Clock;
  readonly #settle: () => Promise<void>;
  readonly #bootMs: number;
  #due: (() => void)[] = [];
  wallOffsetMs = 0;
  paused = false;

  constructor(time: Clock, settle: () => Promise<void>, bootMs = 0) {
    this.#time = time;
    this.#settle = settle;
    this.#bootMs = bootMs;
  }
  now(): number {
    return this.#time.now() + this.wallOffsetMs;
  }
  nextTurn(): Promise<void> {
    return this.#time.nextTurn();
  }
  monotonicMs(): number {
    return this.#time.monotonicMs() + this.#bootMs;
  }
  setTimer(fire: () => void, delayMs: number, options?: { background?: boolean }): Timer {
    let cancelled = false;
    const run = () => {
      if (!cancelled) fire();
    };
    const timer = this.#time.setTimer(() => (this.paused ? this.#due.push(run) : run()), delayMs, options);
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }
  /** Runs what fell due meanwhile, timer by timer, with what each starts in between, as the platform does. */
  async resume(): Promise<void> {
    this.paused = false;
    for (const run of this.#due.splice(0)) {
      run();
      await this.#settle();
    }
  }
}
