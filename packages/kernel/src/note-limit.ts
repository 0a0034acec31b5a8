/** How much is noted of what may come in any number, for people who read it and a log that keeps it for ever. */
export interface NoteLimits {
  /** How many are noted in a minute in all. */
  readonly maxPerMinute: number;
  /** Kinds that are told apart; the oldest go first. Some 200 bytes each. */
  readonly maxKinds: number;
}

/** Decides which of many alike are noted: the first of a kind, then one for each stretch of time, with how many came between. */
export interface NoteLimit {
  /**
   * Whether this one is to be noted: how many of its kind came since the last that was, or undefined where it is counted only. `everyMs` is how long
   * one of a kind stands for those that follow; `nowMs` is monotonic.
   */
  take(kind: string, everyMs: number, nowMs: number): number | undefined;
}

const minuteMs = 60_000;

/** Of kinds that are forgotten, or are first seen in a minute that is full, nobody counts what came between. */
export function createNoteLimit({ maxPerMinute, maxKinds }: NoteLimits): NoteLimit {
  const kinds = new Map<string, { readonly notedMs: number; more: number }>();
  let beganMs = Number.NEGATIVE_INFINITY;
  let inMinute = 0;

  const hasRoom = (nowMs: number): boolean => {
    if (nowMs - beganMs >= minuteMs) {
      beganMs = nowMs;
      inMinute = 0;
    }
    if (inMinute >= maxPerMinute) return false;
    inMinute += 1;
    return true;
  };

  return {
    take(kind, everyMs, nowMs) {
      const known = kinds.get(kind);
      if ((known !== undefined && nowMs - known.notedMs < everyMs) || !hasRoom(nowMs)) {
        if (known !== undefined) known.more += 1;
        return undefined;
      }
      if (!kinds.delete(kind) && kinds.size >= maxKinds) kinds.delete(kinds.keys().next().value as string);
      kinds.set(kind, { notedMs: nowMs, more: 0 });
      return known?.more ?? 0;
    },
  };
}
