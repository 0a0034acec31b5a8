import type { Clock, Random, Timer } from "@viable/kernel";
import { simulateTime } from "@viable/kernel";

interface Entry {
  readonly atMs: number;
  readonly tieBreak: number;
  readonly fire: () => void;
}

/**
 * A clock that stands still until it leaps. What only keeps house, as a look every few seconds does, fires once for a leap, however long that
 * is: so ten days take no longer than ten seconds. Timers that are due together fire in an order drawn from the random source.
 */
export class LeapingClock implements Clock {
  readonly #startMs: number;
  readonly #random: Random;
  readonly #entries = new Set<Entry>();
  /** Only for its turns of the platform's loop: none of its time is used. */
  readonly #turns = simulateTime();
  #nowMs: number;

  constructor(startMs: number, random: Random) {
    this.#startMs = startMs;
    this.#nowMs = startMs;
    this.#random = random;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  nextTurn(): Promise<void> {
    return Promise.resolve();
  }

  setTimer(fire: () => void, delayMs: number): Timer {
    const entry: Entry = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      tieBreak: this.#random.next(),
      fire,
    };
    this.#entries.add(entry);
    return { cancel: () => void this.#entries.delete(entry) };
  }

  /** Lets everything run that can without time going on. */
  settle(): Promise<void> {
    return this.#turns.settle();
  }

  /** It is that time at once; then all fires that fell due, the earliest first, with what each starts in between. */
  async leapTo(atMs: number): Promise<void> {
    this.#nowMs = Math.max(this.#nowMs, atMs);
    for (let entry = this.#firstDue(); entry !== undefined; entry = this.#firstDue()) {
      this.#entries.delete(entry);
      entry.fire();
      await this.settle();
    }
  }

  #firstDue(): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of this.#entries)
      if (entry.atMs <= this.#nowMs && (first === undefined || isBefore(entry, first))) first = entry;
    return first;
  }
}

const isBefore = (one: Entry, other: Entry): boolean =>
  one.atMs < other.atMs || (one.atMs === other.atMs && one.tieBreak < other.tieBreak);
