import type { Clock, Timer } from "@viable/kernel";
import type { News, Word, WrittenEvent, WrittenEvents } from "./news.ts";

/** How far apart two announcements are at most, in milliseconds, however much was written that whoever hears of it has to read. */
const maxApartMs = 10;
/**
 * How many events a word carries at most, and how many characters of them: what a process writes in one flush for a hundred tasks. Of more, a reading
 * of the database costs less than to send them. Written as JSON twice over they nearly always fit a message of the bus; what does not is told of
 * without them.
 */
const maxCarriedEvents = 256;
export const maxCarriedChars = 98_304;

const nothing: Word = { events: "none", records: false };

/**
 * Spreads the word that this process has written: the first at once, and the next too where the last carried what it told of, as far as the
 * news are not to be apart. Whoever hears a word that does not carry the events asks the database, so the more events it told of the later is the
 * next, by a millisecond for each: under load nobody asks for every flush. Nothing waits for it, and a lost one costs others a second (W3).
 *
 * States: quiet → told (waits until another may follow) → told again, where something was written meanwhile | quiet.
 */
export class Announcer {
  readonly #clock: Clock;
  readonly #news: () => News | undefined;
  #waiting: Timer | undefined;
  #untold: Word = nothing;
  /** Events, and records that stand for one each, of which nobody was told. */
  #untoldCount = 0;

  constructor(clock: Clock, news: () => News | undefined) {
    this.#clock = clock;
    this.#news = news;
  }

  /** What was written, and how many events that is. */
  written(word: Word, events: number): void {
    this.#untold = join(this.#untold, word);
    this.#untoldCount += Math.max(1, events);
    if (this.#waiting === undefined) this.#tell();
  }

  /** What was to be told soon is told now: it may be that this process leaves. */
  stop(): void {
    if (this.#untoldCount > 0) this.#news()?.announce(this.#take());
    this.#waiting?.cancel();
    this.#waiting = undefined;
  }

  #tell(): void {
    const news = this.#news();
    const count = this.#untoldCount;
    const word = this.#take();
    if (news === undefined) return;
    news.announce(word);
    const isToBeRead = word.events === "many" || word.records;
    const apartMs = Math.max(news.apartMs, isToBeRead ? Math.min(count, maxApartMs) : 0);
    if (apartMs === 0) return;
    this.#waiting = this.#clock.setTimer(
      () => {
        this.#waiting = undefined;
        if (this.#untoldCount > 0) this.#tell();
      },
      apartMs,
      { background: true },
    );
  }

  #take(): Word {
    const { events, records } = this.#untold;
    this.#untold = nothing;
    this.#untoldCount = 0;
    return { events: typeof events === "object" && !isSmall(events) ? "many" : events, records };
  }
}

/** Two words as one: of events only where the second ones follow the first. */
function join(first: Word, second: Word): Word {
  return { events: joinEvents(first.events, second.events), records: first.records || second.records };
}

function joinEvents(first: Word["events"], second: Word["events"]): Word["events"] {
  if (first === "none") return second;
  if (second === "none") return first;
  if (first === "many" || second === "many" || second.from !== first.from + first.events.length) return "many";
  // Larger ones are not sent, and need not be kept.
  if (!isSmall(first)) return "many";
  return { ...first, events: [...first.events, ...second.events] };
}

function isSmall({ events }: WrittenEvents): boolean {
  if (events.length > maxCarriedEvents) return false;
  return events.reduce((sum, written) => sum + charsOf(written), 0) <= maxCarriedChars;
}

const charsOf = ({ stream, event }: WrittenEvent): number => {
  const { id, type, data, tenant, session, correlation, metadata } = event;
  const names = stream.length + id.length + type.length + tenant.length;
  return names + (session?.length ?? 0) + (correlation?.length ?? 0) + data.length + metadata.length;
};
