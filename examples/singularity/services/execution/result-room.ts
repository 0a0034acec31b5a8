import type { Truncated } from "../../source/cut-list.ts";
import type { TaskOutcome } from "./delegate-once.ts";

/** Characters of JSON that the results of others may take in an answer of four mebibytes: the rest is for what is said about them. */
const maxChars = 3_000_000;

/** Room for results in one answer. What does not fit is left out and counted; it is kept under its execution id. */
export interface ResultRoom {
  readonly truncated: Truncated;
  /** The outcome as the answer can hold it. */
  place(outcome: TaskOutcome): TaskOutcome;
}

export function createResultRoom(): ResultRoom {
  const truncated: Truncated = {};
  let left = maxChars;
  return {
    truncated,
    place({ result, ...outcome }) {
      const chars = result === undefined ? 0 : JSON.stringify(result).length;
      if (chars > left) {
        truncated.results = (truncated.results ?? 0) + 1;
        return outcome;
      }
      left -= chars;
      return { ...outcome, ...(result !== undefined && { result }) };
    },
  };
}
