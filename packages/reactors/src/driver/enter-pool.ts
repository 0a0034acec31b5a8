import type { DrivenRun } from "./driven-run.ts";

/** What comes of a call that was not made: the wait for its place was given up, or the run is not this driver's any more. */
export const notCalled: unique symbol = Symbol("notCalled");

/**
 * Goes on once there is a place in a pool, now or later; whoever does must leave it. Until then it is among what waits, and may be given up by
 * whoever halts, loses or ends the run.
 */
export function enterPool(run: DrivenRun, key: string, pool: string, goOn: () => void, givenUp: () => void): void {
  let hasEntered = false;
  const stopWaiting = run.ports.pools.enter(pool, () => {
    hasEntered = true;
    goOn();
  });
  if (hasEntered) return;
  const giveUp = () => {
    stopWaiting();
    givenUp();
  };
  run.active.set(key, { kind: "waitingForPool", giveUp });
}

/**
 * Calls a function of a step in the step's pool, if it has one, and gives the place back whatever comes of it. `call` says at once that it is under
 * way: a place that is being handed on is nobody's otherwise.
 */
export function callInPool<T>(
  run: DrivenRun,
  key: string,
  pool: string | undefined,
  call: () => Promise<T>,
): Promise<T | typeof notCalled> {
  if (pool === undefined) return call();
  return new Promise((resolve) => {
    const goOn = () => resolve(call().finally(() => run.ports.pools.leave(pool)));
    enterPool(run, key, pool, goOn, () => resolve(notCalled));
  });
}
