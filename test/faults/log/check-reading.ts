import type { Violation } from "./check-log.ts";

/** The log as it is stored: ids and streams by position, the first one at index 0. */
export interface StoredOrder {
  readonly ids: readonly string[];
  readonly streams: readonly string[];
}

export interface Reading {
  readonly reader: string;
  readonly seen: readonly (readonly [position: number, id: string])[];
  /** Where it began: after this position. */
  readonly after: number;
  readonly streamPrefix: string;
  /** Up to which position it must have seen everything; one that was killed may have seen any beginning. */
  readonly followedTo: number;
}

/** W9: a reader sees every event that is for it, once, in order, and nothing that is not there. */
export function checkReading(stored: StoredOrder, reading: Reading): Violation[] {
  const violations: Violation[] = [];
  const note = (kind: Violation["kind"], text: string) => violations.push({ kind, text: `${reading.reader}: ${text}` });
  const isForIt = (position: number) => stored.streams[position - 1]?.startsWith(reading.streamPrefix) === true;
  const skip = (from: number, to: number, next: string) => {
    for (let position = from; position < to; position++) {
      if (isForIt(position)) note("skipped", `${stored.ids[position - 1]} at ${position}, before ${next}`);
    }
  };
  let last = reading.after;
  for (const [position, id] of reading.seen) {
    if (position <= last) note("backwards", `${id} at ${position} after ${last}`);
    if (stored.ids[position - 1] !== id) note("phantom", `${id} at ${position}, where ${stored.ids[position - 1]} is`);
    skip(last + 1, position, `${id} at ${position}`);
    last = Math.max(last, position);
  }
  skip(last + 1, reading.followedTo + 1, "its end");
  return violations;
}
