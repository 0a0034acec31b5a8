import type { Clock, Timer } from "@viable/kernel";

/**
 * How far apart two announcements are at least, in milliseconds: under load a word for every flush would tell nobody more, and each is a
 * transaction of its own.
 */
const apartMs = 10;

/**
 * Spreads the word that this process has written: the first at once, what comes soon after it together in the next. Nothing waits for
 * it, and a lost one costs others a second (W3).
 *
 * States: quiet → told (waits until another may follow) → told again, where something was written meanwhile | quiet.
 */
export class Announcer {
  readonly #clock: Clock;
  readonly #announce: () => void;
  #waiting: Timer | undefined;
  #again = false;

  constructor(clock: Clock, announce: () => void) {
    this.#clock = clock;
    this.#announce = announce;
  }

  written(): void {
    if (this.#waiting !== undefined) {
      this.#again = true;
      return;
    }
    this.#announce();
    this.#waiting = this.#clock.setTimer(
      () => {
        this.#waiting = undefined;
        const again = this.#again;
        this.#again = false;
        if (again) this.written();
      },
      apartMs,
      { background: true },
    );
  }

  /** What was to be told soon is told now: it may be that this process leaves. */
  stop(): void {
    if (this.#again) this.#announce();
    this.#waiting?.cancel();
    this.#waiting = undefined;
    this.#again = false;
  }
}
