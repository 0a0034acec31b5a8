import { invalidSetting } from "./errors.ts";

/** What can be kept per key: a limit that knows whether it still remembers anything that matters. */
export interface Forgettable {
  readonly idle: boolean;
}

export interface KeyedLimitsSettings<L extends Forgettable> {
  /** How many keys are remembered; this bounds the memory whatever keys arrive. A bucket and its key cost about 300 bytes. */
  readonly maxKeys: number;
  /** Makes the limit of a key that is not remembered. */
  make(key: string): L;
}

/** Limits by key: one per principal, session or address. */
export interface KeyedLimits<L extends Forgettable> {
  /** The key's limit, made when it is not remembered. */
  get(key: string): L;
  /** How many keys are remembered. */
  readonly size: number;
  /** How many limits were forgotten while they still mattered: their keys got more than they should. Above 0, raise `maxKeys`. */
  readonly forgottenBusy: number;
}

/**
 * How many of those unused for longest are looked at to find an idle one. Every new key pays for this look, so a flood of new keys
 * must not make it a walk through all of them.
 */
const maxLooks = 16;

/**
 * Limits by key in bounded memory: when there are `maxKeys`, a new one takes the place of the one unused for longest among those
 * that are idle, since forgetting an idle limit changes nothing.
 *
 * Promised: never more than `maxKeys` limits. A limit that is not idle is forgotten only where none of the 16 looked at is idle,
 * and that is counted. Those passed over go to the back of the row, so later looks reach further. Not promised: exact order of use.
 *
 * Whoever can bring any number of keys (an address, not a principal) can push others' limits out: set another limit before it.
 */
export function createKeyedLimits<L extends Forgettable>({ maxKeys, make }: KeyedLimitsSettings<L>): KeyedLimits<L> {
  if (!(Number.isInteger(maxKeys) && maxKeys > 0)) throw invalidSetting("maxKeys", maxKeys, "a whole number above 0");
  // A Map keeps the order of insertion, so taking a key out and putting it in again makes it the one used last.
  const limits = new Map<string, L>();
  let newest: string | undefined;
  let forgottenBusy = 0;

  const makeRoom = () => {
    let oldest: string | undefined;
    let looks = 0;
    for (const [key, limit] of limits) {
      if (limit.idle) {
        limits.delete(key);
        return;
      }
      oldest ??= key;
      if (++looks >= Math.min(maxLooks, limits.size)) break;
      limits.delete(key);
      limits.set(key, limit);
    }
    // None was idle. The first one looked at has been unused for longest.
    if (oldest !== undefined) limits.delete(oldest);
    forgottenBusy += 1;
  };

  return {
    get(key) {
      const known = limits.get(key);
      if (known !== undefined) {
        // The same key many times in a row is the common case, and costs one look-up.
        if (key !== newest) {
          limits.delete(key);
          limits.set(key, known);
          newest = key;
        }
        return known;
      }
      if (limits.size >= maxKeys) makeRoom();
      const made = make(key);
      limits.set(key, made);
      newest = key;
      return made;
    },
    get size() {
      return limits.size;
    },
    get forgottenBusy() {
      return forgottenBusy;
    },
  };
}
