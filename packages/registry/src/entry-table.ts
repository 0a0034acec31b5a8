import type { Registration, SwarmMeasurement } from "@viable/protocol";

/** A swarm of this process. */
export interface OwnEntry {
  /** What its record in the log is known by, and with it the entry. */
  readonly key: string;
  readonly local: true;
  readonly registration: Registration;
  readonly measure: () => SwarmMeasurement;
  /** What the log is known to hold of it: the epoch it was last written under, and when that was sent, in monotonic milliseconds. */
  written: { readonly epoch: number; readonly atMs: number } | undefined;
  /** Whether a write is on its way. */
  writing: boolean;
  /** Its process stops: others are to ask it for nothing more, while this one may until it is withdrawn. */
  isLeaving: boolean;
}

/** A swarm of another process, as its record tells of it. */
export interface OtherEntry {
  readonly key: string;
  readonly local: false;
  readonly registration: Registration;
  readonly expiresAt: number;
  /** The newest that arrived, by the record or by the bus. */
  measurement: SwarmMeasurement | undefined;
  /**
   * Tasks routed there from here since then, less those that were seen to end since: below 0 where more ended, of which that measurement still
   * told. It begins anew with each renewal, so it counts no more than one renewal's time.
   */
  routed: number;
  /** Queries that were sent there from here since then: they take no worker there, so only the next queries are spread by them. */
  queried: number;
}

export type Entry = OwnEntry | OtherEntry;

/** What entries may be looked for by; each that is named must hold. */
export interface EntryQuery {
  readonly capability?: string | undefined;
  /** A capability without its operation: whoever offers one of its operations. */
  readonly group?: string | undefined;
  readonly subsystem?: string | undefined;
  readonly tags?: readonly string[] | undefined;
}

const none: ReadonlySet<Entry> = new Set();

/** Entries by the words that each is known by. */
class WordIndex {
  readonly #byWord = new Map<string, Set<Entry>>();

  of(word: string): ReadonlySet<Entry> {
    return this.#byWord.get(word) ?? none;
  }

  add(words: Iterable<string>, entry: Entry): void {
    for (const word of words) {
      const known = this.#byWord.get(word);
      if (known === undefined) this.#byWord.set(word, new Set([entry]));
      else known.add(entry);
    }
  }

  remove(words: Iterable<string>, entry: Entry): void {
    for (const word of words) {
      const known = this.#byWord.get(word);
      if (known?.delete(entry) === true && known.size === 0) this.#byWord.delete(word);
    }
  }

  clear(): void {
    this.#byWord.clear();
  }
}

/** The entries that this process knows of, by key, and by what they are looked for by. */
export class EntryTable {
  readonly #entries = new Map<string, Entry>();
  readonly #capabilities = new WordIndex();
  readonly #groups = new WordIndex();
  readonly #subsystems = new WordIndex();
  readonly #tags = new WordIndex();

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  [Symbol.iterator](): Iterator<Entry> {
    return this.#entries.values();
  }

  /** Those that offer a capability. */
  offering(capability: string): ReadonlySet<Entry> {
    return this.#capabilities.of(capability);
  }

  /** Those that all of a query holds for, of all entries where it names nothing: as long as the shortest of its lists. */
  find({ capability, group, subsystem, tags = [] }: EntryQuery): readonly Entry[] {
    const lists: ReadonlySet<Entry>[] = tags.map((tag) => this.#tags.of(tag));
    if (capability !== undefined) lists.push(this.#capabilities.of(capability));
    if (group !== undefined) lists.push(this.#groups.of(group));
    if (subsystem !== undefined) lists.push(this.#subsystems.of(subsystem));
    const [shortest, ...others] = lists.sort((a, b) => a.size - b.size);
    if (shortest === undefined) return [...this.#entries.values()];
    return [...shortest].filter((entry) => others.every((list) => list.has(entry)));
  }

  /** Takes an entry in, in the place of the one with the same key. */
  put(entry: Entry): void {
    this.remove(entry.key);
    this.#entries.set(entry.key, entry);
    const { capabilities, subsystem, tags } = entry.registration;
    this.#capabilities.add(capabilities, entry);
    this.#groups.add(groupsOf(capabilities), entry);
    this.#tags.add(tags, entry);
    if (subsystem !== undefined) this.#subsystems.add([subsystem], entry);
  }

  remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    const { capabilities, subsystem, tags } = entry.registration;
    this.#capabilities.remove(capabilities, entry);
    this.#groups.remove(groupsOf(capabilities), entry);
    this.#tags.remove(tags, entry);
    if (subsystem !== undefined) this.#subsystems.remove([subsystem], entry);
  }

  clear(): void {
    this.#entries.clear();
    for (const index of [this.#capabilities, this.#groups, this.#subsystems, this.#tags]) index.clear();
  }
}

/** The names without operation that stand for the capabilities with one: `backup` for `backup.restore`. */
const groupsOf = (capabilities: readonly string[]): Set<string> =>
  new Set(capabilities.flatMap((each) => (each.includes(".") ? [each.slice(0, each.lastIndexOf("."))] : [])));
