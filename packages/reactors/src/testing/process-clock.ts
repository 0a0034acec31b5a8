import type { Clock, Timer } from "@viable/kernel";

interface Waiting {
  readonly atMs: number;
  readonly isBackground: boolean;
}

/** Time that several processes may share. */
export interface SharedTime extends Clock {
  /** Lets everything run that can without time going on. */
  settle(): Promise<void>;
}

/**
 * The clock of one simulated process, on a time that it may share with others. Paused, its timers wait while time goes on, and fire late
 * when it goes on, as those of a process do that was stopped; dead, none ever fires again.
 */
export class ProcessClock implements Clock {
  readonly #time: SharedTime;
  readonly #set = new Set<Waiting>();
  #due: (() => void)[] = [];
  #state: "running" | "paused" | "dead" = "running";
  #resumed: PromiseWithResolvers<void> | undefined;
  /** How far its wall clock is ahead of the others'; its timers know nothing of that. */
  wallOffsetMs = 0;

  constructor(time: SharedTime) {
    this.#time = time;
  }

  get state(): "running" | "paused" | "dead" {
    return this.#state;
  }

  now(): number {
    return this.#time.now() + this.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#time.monotonicMs();
  }

  nextTurn(): Promise<void> {
    return this.#time.nextTurn();
  }

  setTimer(fire: () => void, delayMs: number, options: { background?: boolean } = {}): Timer {
    const waiting: Waiting = {
      atMs: this.#time.now() + Math.max(0, delayMs),
      isBackground: options.background === true,
    };
    this.#set.add(waiting);
    const run = () => {
      if (this.#set.delete(waiting)) fire();
    };
    const timer = this.#time.setTimer(
      () => {
        if (this.#state === "paused") this.#due.push(run);
        else if (this.#state === "running") run();
      },
      delayMs,
      options,
    );
    return {
      cancel: () => {
        this.#set.delete(waiting);
        timer.cancel();
      },
    };
  }

  /** When the first timer is due that somebody waits for; undefined where there is none. What only keeps house is passed over. */
  get firstDueMs(): number | undefined {
    let first: number | undefined;
    for (const { atMs, isBackground } of this.#set)
      if (!isBackground && (first === undefined || atMs < first)) first = atMs;
    return first;
  }

  /** How many timers are set that somebody waits for. */
  get awaited(): number {
    let count = 0;
    for (const { isBackground } of this.#set) if (!isBackground) count += 1;
    return count;
  }

  pause(): void {
    if (this.#state !== "running") return;
    this.#state = "paused";
    this.#resumed = Promise.withResolvers();
  }

  /** Runs what fell due meanwhile, timer by timer, with what each starts in between, as the platform does. */
  async resume(): Promise<void> {
    if (this.#state !== "paused") return;
    this.#state = "running";
    this.#resumed?.resolve();
    for (const run of this.#due.splice(0)) {
      run();
      await this.#time.settle();
    }
  }

  die(): void {
    this.#state = "dead";
  }

  /** Resolves at once where the process runs, when it is resumed where it is paused, and never where it is dead. */
  async untilRunning(): Promise<void> {
    while (this.#state === "paused") await this.#resumed?.promise;
    if (this.#state === "dead") await new Promise<never>(() => {});
  }
}
