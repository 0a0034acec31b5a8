import { invalidSetting } from "./errors.ts";

/** What came of asking to enter. */
export type EnterDecision =
  | { readonly ok: true /** Gives the place back. Calling it again does nothing. */; leave(): void }
  | { readonly ok: false; readonly max: number };

/** How many may be inside at once. */
export interface ConcurrencyLimit {
  /** Enters, or says that it is full. Never waits: who may wait, where and how long, is for the caller to decide (W10). */
  tryEnter(): EnterDecision;
  readonly inUse: number;
  readonly max: number;
  /** Whether nobody is inside, so that forgetting it and making a new one is the same. */
  readonly idle: boolean;
}

/**
 * A limit on how many are inside at once. Promised: never more than `max`, however often one of them leaves. Not promised: that
 * a place comes back by itself; whoever entered must leave, in a `finally`.
 */
export function createConcurrencyLimit({ max }: { readonly max: number }): ConcurrencyLimit {
  if (!(Number.isInteger(max) && max > 0)) throw invalidSetting("max", max, "a whole number above 0");
  const full: EnterDecision = { ok: false, max };
  let inUse = 0;
  return {
    tryEnter() {
      if (inUse >= max) return full;
      inUse += 1;
      let inside = true;
      return {
        ok: true,
        leave() {
          if (!inside) return;
          inside = false;
          inUse -= 1;
        },
      };
    },
    get inUse() {
      return inUse;
    },
    max,
    get idle() {
      return inUse === 0;
    },
  };
}
