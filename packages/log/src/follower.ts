import type { Clock, Timer } from "@viable/kernel";
import { toWire } from "@viable/kernel";

/**
 * How long others' writes may stay unseen where no word of them arrives, and how long a reading that failed waits for the next, in
 * milliseconds.
 */
const lookAgainMs = 1_000;

/** Why the log cannot be read at present. */
export interface ReadFailure {
  readonly code: string;
  readonly message: string;
  /** Wall time of the first reading that failed since one went well, in milliseconds. */
  readonly since: number;
}

/**
 * Reads what is new when it is woken, and each second where nobody may wake it: one reading at a time, and one more where it was
 * woken during one. A reading that fails, because the database is away, is repeated after a second, until one goes well.
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
  #nextLook: Timer | undefined;
  #failure: ReadFailure | undefined;

  /** `polls`: whether others may write unheard, as in a database that several processes share. */
  constructor(clock: Clock, polls: boolean, readNew: () => Promise<void>) {
    this.#clock = clock;
    this.#polls = polls;
    this.#readNew = readNew;
  }

  get reading(): boolean {
    return this.#reading !== undefined;
  }

  /** Undefined where the last reading went well. */
  get failure(): ReadFailure | undefined {
    return this.#failure;
  }

  start(): void {
    this.#running = true;
    if (this.#polls) this.#lookLater();
  }

  /** Ends the polling and waits for a reading that is under way. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#nextLook?.cancel();
    this.#nextLook = undefined;
    await this.#reading;
  }

  wake(): void {
    if (!this.#running) return;
    if (this.#reading !== undefined) {
      this.#readAgain = true;
      return;
    }
    this.#reading = this.#readNew()
      .then(
        () => {
          this.#failure = undefined;
        },
        (error) => {
          const { code, message } = toWire(error);
          this.#failure = { code, message, since: this.#failure?.since ?? this.#clock.now() };
          this.#lookLater();
        },
      )
      .finally(() => {
        this.#reading = undefined;
        if (this.#readAgain) {
          this.#readAgain = false;
          this.wake();
        }
      });
  }

  #lookLater(): void {
    if (!this.#running || this.#nextLook !== undefined) return;
    this.#nextLook = this.#clock.setTimer(
      () => {
        this.#nextLook = undefined;
        this.wake();
        if (this.#polls) this.#lookLater();
      },
      lookAgainMs,
      { background: true },
    );
  }
}
