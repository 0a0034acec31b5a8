import type { Registration, SwarmMeasurement } from "@viable/protocol";

/** A swarm of this process. */
export interface OwnEntry {
  readonly local: true;
  readonly registration: Registration;
  readonly measure: () => SwarmMeasurement;
  /** What the log is known to hold of it: the epoch it was last written under, and when that was sent, in monotonic milliseconds. */
  written: { readonly epoch: number; readonly atMs: number } | undefined;
  /** Whether a write is on its way. */
  writing: boolean;
}

/** A swarm of another process, as its record tells of it. */
export interface OtherEntry {
  readonly local: false;
  readonly registration: Registration;
  readonly expiresAt: number;
  /** The newest that arrived, by the record or by the bus. */
  measurement: SwarmMeasurement | undefined;
  /** Tasks routed there from here since then. It begins anew with each renewal, so it counts no more than one renewal's time. */
  routed: number;
}

export type Entry = OwnEntry | OtherEntry;

/** The entries that this process knows of, by key, and by what they offer. */
export class EntryTable {
  readonly #entries = new Map<string, Entry>();
  readonly #byCapability = new Map<string, Set<Entry>>();

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  [Symbol.iterator](): Iterator<[string, Entry]> {
    return this.#entries[Symbol.iterator]();
  }

  /** Those that offer a capability. */
  offering(capability: string): Iterable<Entry> {
    return this.#byCapability.get(capability) ?? [];
  }

  /** Takes an entry in, in the place of the one with the same key. */
  put(key: string, entry: Entry): void {
    this.remove(key);
    this.#entries.set(key, entry);
    for (const capability of entry.registration.capabilities) {
      const offering = this.#byCapability.get(capability) ?? new Set();
      this.#byCapability.set(capability, offering.add(entry));
    }
  }

  remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    for (const capability of entry.registration.capabilities) {
      const offering = this.#byCapability.get(capability);
      offering?.delete(entry);
      if (offering?.size === 0) this.#byCapability.delete(capability);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#byCapability.clear();
  }
}
