import type { CommitOutcome, EncodedAppend } from "@viable/log";

/** After how many commits in a row without others' between them it is worth to try: where others write too, a try in vain costs a round trip. */
const minAlone = 8;
/** How many streams are remembered, in each of two halves: those of the last ten seconds or so at full speed. At some 100 bytes each, 5 MB. */
const maxHalf = 25_000;

/**
 * What a store knows of streams because it wrote them last: their versions as of the ordinal that its last commit left the log at. Worth
 * something only as long as nobody else has written, which the database judges (`append_known`), and on the connection that it was
 * learnt on: another may lead to a server that has lost what we know of.
 */
export class KnownHeads {
  /**
   * Versions by stream: those that were written last, and those before. When the first half is full it becomes the second, and what was there
   * is let go of. To take the oldest out of one large map, each time, means going over all that was taken out before it.
   */
  #latest = new Map<string, number>();
  #before = new Map<string, number>();
  #connection: string | undefined;
  #ordinal = -1;
  /** Commits in a row that nobody else's came between. */
  #alone = 0;

  /** Nothing is known any more. */
  forget(): void {
    this.#latest = new Map();
    this.#before = new Map();
    this.#ordinal = -1;
    this.#alone = 0;
  }

  get connection(): string | undefined {
    return this.#connection;
  }

  /** Where our last commit left the log; negative where nothing is known. */
  get ordinal(): number {
    return this.#ordinal;
  }

  /**
   * The version before of each stream of a batch, in its order; undefined where it cannot be said without looking, or where one is not
   * what was expected. A stream that is expected not to be there yet, and is not known, is taken to be new.
   */
  versionsFor(batch: readonly EncodedAppend[]): number[] | undefined {
    if (this.#ordinal < 0 || this.#alone < minAlone) return undefined;
    const versions: number[] = [];
    for (const append of batch) {
      for (const { stream, expected } of append.streams) {
        const known = this.#latest.get(stream) ?? this.#before.get(stream);
        if (known === undefined ? expected !== 0 : expected >= 0 && expected !== known) return undefined;
        versions.push(known ?? 0);
      }
    }
    return versions;
  }

  /** Learns from a commit what it wrote; where others have written since our last one, that is all that is known from then on. */
  learn(batch: readonly EncodedAppend[], outcomes: readonly CommitOutcome[], connection: string | undefined): void {
    let first = Number.POSITIVE_INFINITY;
    let last = 0;
    const written: { readonly stream: string; readonly version: number }[] = [];
    for (let index = 0; index < batch.length; index++) {
      const append = batch[index] as EncodedAppend;
      const outcome = outcomes[index];
      if (outcome?.kind !== "appended" || outcome.repeated) continue;
      let events = 0;
      for (let at = 0; at < append.streams.length; at++) {
        const write = append.streams[at] as EncodedAppend["streams"][number];
        if (write.events.length === 0) continue;
        events += write.events.length;
        written.push({
          stream: write.stream,
          version: (outcome.firstVersions[at] as number) + write.events.length - 1,
        });
      }
      if (events === 0) continue;
      first = Math.min(first, outcome.firstOrdinal);
      last = Math.max(last, outcome.firstOrdinal + events - 1);
    }
    if (written.length === 0) return;
    if (connection === undefined || connection !== this.#connection || first !== this.#ordinal + 1) this.forget();
    this.#connection = connection;
    this.#alone += 1;
    this.#ordinal = connection === undefined ? -1 : last;
    for (const { stream, version } of written) this.#remember(stream, version);
  }

  #remember(stream: string, version: number): void {
    if (this.#latest.size >= maxHalf && !this.#latest.has(stream)) {
      this.#before = this.#latest;
      this.#latest = new Map();
    }
    this.#latest.set(stream, version);
  }
}
