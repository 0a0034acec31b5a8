/** How much of what is known is forgotten with each flush: of one in sixty ago little is left. */
const forgotten = 0.05;
/** A flush that takes longer than so many others has waited for something else, as for a checkpoint. */
const maxTimesAverage = 4;
/** Sizes whose spread is less than this share of their average do not tell what an append takes from what a flush takes. */
const minSpread = 0.25;
/** What overlapping must save at least, lest two ways that are worth the same be exchanged all the time. */
const minGain = 1.1;

/** What a flush takes: so long by itself, for the way to the disk and back, and so long for each append in it, in milliseconds. */
export interface FlushTime {
  readonly fixedMs: number;
  readonly perAppendMs: number;
}

/**
 * What a flush takes, as the last ones tell: least squares over sizes and times, in which the past is forgotten by and by. As long as all
 * are about as large, what was known before is held to, brought to what they take now.
 */
export class FlushCost {
  #weight = 0;
  #sizes = 0;
  #times = 0;
  #sizesSquared = 0;
  #sizesByTimes = 0;
  /** What sizes last told. Before they have told anything, a flush of one append takes twice what each further one takes. */
  #told: FlushTime = { fixedMs: 1, perAppendMs: 1 };

  /** Takes a flush of so many appends into account, and how long it took, in milliseconds. */
  note(appends: number, tookMs: number): void {
    const ms = this.#weight === 0 ? tookMs : Math.min(tookMs, maxTimesAverage * this.averageMs);
    const kept = 1 - forgotten;
    this.#weight = this.#weight * kept + 1;
    this.#sizes = this.#sizes * kept + appends;
    this.#times = this.#times * kept + ms;
    this.#sizesSquared = this.#sizesSquared * kept + appends * appends;
    this.#sizesByTimes = this.#sizesByTimes * kept + appends * ms;
    this.#tell();
  }

  /** How long a flush takes on average, in milliseconds; 0 before the first. */
  get averageMs(): number {
    return this.#weight === 0 ? 0 : this.#times / this.#weight;
  }

  get time(): FlushTime {
    return this.#told;
  }

  #tell(): void {
    const ms = this.averageMs;
    const size = this.#sizes / this.#weight;
    const variance = this.#sizesSquared / this.#weight - size * size;
    if (variance >= (minSpread * size) ** 2) {
      const perAppendMs = (this.#sizesByTimes / this.#weight - size * ms) / variance;
      const fixedMs = Math.min(ms, Math.max(0, ms - perAppendMs * size));
      this.#told = { fixedMs, perAppendMs: (ms - fixedMs) / size };
    } else {
      const times = ms / (this.#told.fixedMs + this.#told.perAppendMs * size);
      this.#told = { fixedMs: this.#told.fixedMs * times, perAppendMs: this.#told.perAppendMs * times };
    }
  }
}

/**
 * Whether it pays to have all who append, one time after the other, travel in two halves, so that the database writes one while the thread
 * goes on with the other, rather than together, the database waiting for the thread and then the thread for the database. What a flush takes
 * by itself is then waited for twice, so on a slow disk everybody travels together. `threadMs` is what the thread takes for all of
 * them between one flush and the next.
 */
export function paysToOverlap(threadMs: number, appends: number, { fixedMs, perAppendMs }: FlushTime): boolean {
  const togetherMs = threadMs + fixedMs + perAppendMs * appends;
  const halvesMs = 2 * Math.max(threadMs / 2, fixedMs + (perAppendMs * appends) / 2);
  return togetherMs > minGain * halvesMs;
}
