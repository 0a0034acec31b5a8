import type { Clock, Timer } from "@viable/kernel";
import type { News } from "./store.ts";

/** How far apart two announcements are at most, in milliseconds, however much was written. */
const maxApartMs = 10;

/**
 * Spreads the word that this process has written: the first at once, what comes soon after it together in the next. Whoever hears a word asks
 * the database, so the more events it told of the later is the next, by a millisecond for each: a lone command, whose every step waits for a
 * word, is not held up, and under load nobody asks for every flush. Nothing waits for it, and a lost one costs others a second (W3).
 *
 * States: quiet → told (waits until another may follow) → told again, where something was written meanwhile | quiet.
 */
export class Announcer {
  readonly #clock: Clock;
  readonly #news: () => News | undefined;
  #waiting: Timer | undefined;
  /** Events, and records that stand for one each, of which nobody was told. */
  #untold = 0;

  constructor(clock: Clock, news: () => News | undefined) {
    this.#clock = clock;
    this.#news = news;
  }

  /** So many events were written; 1 where it was records alone. */
  written(events: number): void {
    this.#untold += events;
    if (this.#waiting === undefined) this.#tell();
  }

  /** What was to be told soon is told now: it may be that this process leaves. */
  stop(): void {
    if (this.#untold > 0) this.#news()?.announce();
    this.#untold = 0;
    this.#waiting?.cancel();
    this.#waiting = undefined;
  }

  #tell(): void {
    const news = this.#news();
    const untold = this.#untold;
    this.#untold = 0;
    if (news === undefined) return;
    news.announce();
    this.#waiting = this.#clock.setTimer(
      () => {
        this.#waiting = undefined;
        if (this.#untold > 0) this.#tell();
      },
      Math.max(news.apartMs, Math.min(untold, maxApartMs)),
      { background: true },
    );
  }
}
