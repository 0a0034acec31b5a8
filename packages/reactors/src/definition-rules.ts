// What is refused in a definition, whether it is built or read.
import type { Argument } from "./argument.ts";

/** How steps, branches and reactors are named. */
export const namePattern = /^(?=.{1,64}$)[a-z][a-zA-Z0-9]*([_-][a-zA-Z0-9]+)*$/;
export const nameRule =
  "a name is 1 to 64 letters and digits, in words joined by - or _, beginning with a small letter";
/** How events are named that runs wait for. With a key, they make the name of a stream. */
export const eventPattern = /^(?=.{1,100}$)[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*$/;
export const eventRule = "must be words joined by dots, as payment.received, of at most 100 characters";

/** What is wrong with a sleep's arguments, as far as they are written out; what a ref leads to, a run finds. */
export function findSleepProblem(args: Argument): string | undefined {
  const written = args.from === "object" ? args.members : args.from === "value" ? args.value : undefined;
  if (written === undefined) return undefined;
  const said = ["forMs", "until"].filter((name) => Object.hasOwn(Object(written), name));
  return said.length === 1 ? undefined : `must say forMs or until, and says ${said.length === 0 ? "neither" : "both"}`;
}

export const noBranchRule = "must have a branch, or an otherwise: else it always fails";

const dayMs = 24 * 3_600_000;

/** The largest numbers that may be said. */
export const maxOf = {
  /** Steps of a run, or elements of a map, at the same time: each holds its arguments in memory. */
  concurrency: 10_000,
  attempts: 1_000,
  restarts: 100,
  turns: 1_000_000,
  /** A step that takes longer is several, with outcomes of their own. */
  stepTimeoutMs: dayMs,
  /** Ten years. */
  runTimeoutMs: 10 * 365 * dayMs,
} as const;
