import type { Present } from "@viable/bus";
import type { JsonObject } from "@viable/kernel";

/** Who said that they are there, and until when it holds. */
export interface Announcement extends Present {
  /** The bus that said it, and which of its announcements it was. */
  readonly bus: string;
  readonly nr: number;
  /** How long its info is, in characters. */
  readonly chars: number;
}

interface Entry {
  readonly announcement: Announcement;
  /** In monotonic milliseconds. */
  untilMs: number;
}

/** How many are known of at a time: far more than there are processes and agents in one system, and a few megabytes. */
const maxEntries = 10_000;
/** How much they may say of themselves together, in characters. */
const maxChars = 32_000_000;

/**
 * Who is there as far as has been heard, by kind and id. Of several buses that announce one id, the one holds that came last: another is
 * heard again once that one has left or fallen silent. It is told what time it is, and asks no clock.
 */
export class PresenceTable {
  readonly #kinds = new Map<string, Map<string, Entry>>();
  #entries = 0;
  #chars = 0;

  /**
   * Takes in what was heard; `isNew` where it was said for the first time and not repeated. False where there is no room for it (W10).
   */
  hear(announcement: Announcement, isNew: boolean, nowMs: number, untilMs: number): boolean {
    const { kind, id, bus, nr, chars } = announcement;
    const known = this.#kinds.get(kind)?.get(id);
    if (known !== undefined) {
      const held = known.announcement;
      const isOlder = held.bus === bus ? nr < held.nr : !isNew && known.untilMs > nowMs;
      if (isOlder) return true;
      if (held.bus === bus && held.nr === nr) {
        known.untilMs = untilMs;
        return true;
      }
      this.#remove(held);
    }
    if (this.#entries >= maxEntries || this.#chars + chars > maxChars) {
      this.prune(nowMs);
      if (this.#entries >= maxEntries || this.#chars + chars > maxChars) return false;
    }
    const ofKind = this.#kinds.get(kind) ?? new Map<string, Entry>();
    this.#kinds.set(kind, ofKind.set(id, { announcement, untilMs }));
    this.#entries += 1;
    this.#chars += chars;
    return true;
  }

  /** Forgets exactly this announcement, not another of the same id. */
  leave(kind: string, id: string, bus: string, nr: number): void {
    const held = this.#kinds.get(kind)?.get(id)?.announcement;
    if (held?.bus === bus && held.nr === nr) this.#remove(held);
  }

  /** Those of a kind that have not fallen silent, by id; each a copy. */
  present(kind: string, nowMs: number): Present[] {
    return [...(this.#kinds.get(kind)?.values() ?? [])]
      .filter(({ untilMs }) => untilMs > nowMs)
      .map(({ announcement: { id, info } }) => ({ kind, id, info: structuredClone(info) as JsonObject }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Forgets whoever has fallen silent. */
  prune(nowMs: number): void {
    for (const ofKind of [...this.#kinds.values()]) {
      for (const { announcement, untilMs } of [...ofKind.values()]) if (untilMs <= nowMs) this.#remove(announcement);
    }
  }

  clear(): void {
    this.#kinds.clear();
    this.#entries = 0;
    this.#chars = 0;
  }

  #remove({ kind, id, chars }: Announcement): void {
    const ofKind = this.#kinds.get(kind);
    ofKind?.delete(id);
    if (ofKind?.size === 0) this.#kinds.delete(kind);
    this.#entries -= 1;
    this.#chars -= chars;
  }
}
