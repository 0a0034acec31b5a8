import type { Clock } from "@viable/kernel";
import type { Thrown } from "@viable/reactors";
import { stackOf, staticPath } from "@viable/reactors";

/** For how long a step that keeps throwing is not told of again, in milliseconds: one stack says where it breaks, and its events how often. */
const quietMs = 60_000;

/** Tells of what steps throw with the stack, which no event holds: of each step at most once a minute, whichever run it is in. */
export function createThrownNotices(clock: Clock, tell: (message: string) => void): (thrown: Thrown) => void {
  const toldAtMs = new Map<string, number>();
  return ({ runId, reactor, step, error }) => {
    const place = `${reactor}/${staticPath(step)}`;
    const nowMs = clock.monotonicMs();
    if (nowMs - (toldAtMs.get(place) ?? Number.NEGATIVE_INFINITY) < quietMs) return;
    const stack = stackOf(error);
    if (stack === undefined) return;
    toldAtMs.set(place, nowMs);
    tell(`${runId}: ${step} of ${reactor} threw ${stack}`);
  };
}
