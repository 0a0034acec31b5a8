import type { Clock, Timer } from "@viable/kernel";

/** How long others' writes may stay unseen where no word of them arrives, in milliseconds. */
const pollMs = 1_000;

/**
 * Reads what is new when it is woken, and each second where nobody may wake it: one reading at a time, and one more where it was
 * woken during one. A reading that fails, because the database is away, is made up for by the next.
 *
 * States: stopped → waiting ⇄ reading → stopped.
 */
export class Follower {
  readonly #clock: Clock;
  readonly #polls: boolean;
  readonly #readNew: () => Promise<void>;
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #running = false;
  #poll: Timer | undefined;

  /** `polls`: whether others may write unheard, as in a database that several processes share. */
  constructor(clock: Clock, polls: boolean, readNew: () => Promise<void>) {
    this.#clock = clock;
    this.#polls = polls;
    this.#readNew = readNew;
  }

  get reading(): boolean {
    return this.#reading !== undefined;
  }

  start(): void {
    this.#running = true;
    this.#schedulePoll();
  }

  /** Ends the polling and waits for a reading that is under way. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#poll?.cancel();
    await this.#reading;
  }

  wake(): void {
    if (!this.#running) return;
    if (this.#reading !== undefined) {
      this.#readAgain = true;
      return;
    }
    this.#reading = this.#readNew()
      .catch(() => undefined)
      .finally(() => {
        this.#reading = undefined;
        if (this.#readAgain) {
          this.#readAgain = false;
          this.wake();
        }
      });
  }

  #schedulePoll(): void {
    if (!this.#running || !this.#polls) return;
    this.#poll = this.#clock.setTimer(
      () => {
        this.wake();
        this.#schedulePoll();
      },
      pollMs,
      { background: true },
    );
  }
}
