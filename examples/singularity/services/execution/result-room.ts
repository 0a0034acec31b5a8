import type { Truncated } from "../../source/cut-list.ts";
import type { TaskError, TaskOutcome } from "./delegate-once.ts";

/** Characters of JSON that the results of others may take in an answer of four mebibytes: the rest is for what is said about them. */
const maxResultChars = 3_000_000;
/** The same of their errors, which are few and short as a rule; but whoever fails may say as much as it likes. */
const maxErrorChars = 500_000;
/** What is left of a code and of a message where there is no room for the whole error: a line for each of a thousand. */
const maxCutChars = 100;

/** Room for results and errors in one answer. What does not fit is left out and counted; it is kept under its execution id. */
export interface ResultRoom {
  readonly truncated: Truncated;
  /** The outcome as the answer can hold it. */
  place<Outcome extends Pick<TaskOutcome, "result" | "error">>(outcome: Outcome): Outcome;
}

export function createResultRoom(): ResultRoom {
  const truncated: Truncated = {};
  const left = { results: maxResultChars, errors: maxErrorChars };
  /** Whether it fits; else it counts as left out. */
  const fits = (kind: keyof typeof left, value: unknown): boolean => {
    const chars = JSON.stringify(value).length;
    if (chars <= left[kind]) {
      left[kind] -= chars;
      return true;
    }
    truncated[kind] = (truncated[kind] ?? 0) + 1;
    return false;
  };
  return {
    truncated,
    place<Outcome extends Pick<TaskOutcome, "result" | "error">>({ result, error, ...outcome }: Outcome) {
      return {
        ...outcome,
        ...(result !== undefined && fits("results", result) && { result }),
        ...(error !== undefined && { error: fits("errors", error) ? error : cut(error) }),
      } as Outcome;
    },
  };
}

const cut = ({ code, message, retryable }: TaskError): TaskError => ({
  code: code.slice(0, maxCutChars),
  message: message.length > maxCutChars ? `${message.slice(0, maxCutChars)}…` : message,
  retryable,
});
