/** How much of what is known is forgotten with each flush: of one in sixty ago little is left. */
const forgotten = 0.05;
/** A flush that takes longer than so many others has waited for something else, as for a checkpoint. */
const maxTimesAverage = 4;
/** The tick of a coarse clock, as browsers have it, in milliseconds: what takes no longer has waited for nothing else. */
const tickMs = 1;
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
  /**
   * How what a flush takes by itself is to what each append in it takes, as sizes last told. Before they have told anything, a flush of one
   * append takes twice what each further one takes.
   */
  #fixed = 1;
  #perAppend = 1;

  /** Takes a flush of so many appends into account, and how long it took, in milliseconds. */
  note(appends: number, tookMs: number): void {
    const averageMs = this.averageMs;
    const ms = averageMs === 0 ? tookMs : Math.min(tookMs, Math.max(maxTimesAverage * averageMs, tickMs));
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

  /** What flushes take of late; nothing before the first, and where a clock says that they take no time. */
  get time(): FlushTime {
    const times = this.#weight === 0 ? 0 : this.averageMs / (this.#fixed + this.#perAppend * this.#averageSize);
    return { fixedMs: this.#fixed * times, perAppendMs: this.#perAppend * times };
  }

  get #averageSize(): number {
    return this.#sizes / this.#weight;
  }

  #tell(): void {
    const ms = this.averageMs;
    const size = this.#averageSize;
    const variance = this.#sizesSquared / this.#weight - size * size;
    if (ms === 0 || variance < (minSpread * size) ** 2) return;
    const perAppendMs = (this.#sizesByTimes / this.#weight - size * ms) / variance;
    // As shares of the average, which may be next to nothing: what is next to nothing makes a bad divisor later.
    this.#fixed = Math.min(1, Math.max(0, 1 - (perAppendMs * size) / ms));
    this.#perAppend = (1 - this.#fixed) / size;
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
