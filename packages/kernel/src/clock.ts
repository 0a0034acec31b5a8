/** A timer that has been set and may still be cancelled. Cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

/**
 * The only source of time. Everything that waits, stamps or measures asks a clock it was handed, so that a whole system
 * can run under simulated time (`simulated-time.ts`).
 */
export interface Clock {
  /** Wall time in milliseconds since 1970. May jump; never decide ownership by it, only display and expiry. */
  now(): number;
  /** Milliseconds from an arbitrary start, never going back. Durations and deadlines within one process use this. */
  monotonicMs(): number;
  /**
   * Resolves in the next turn of the loop: what sockets and files had ready by now has been read by then, and microtasks have
   * run. For whoever does better to act on several arrivals at once. Takes no time on the clock.
   */
  nextTurn(): Promise<void>;
  /** Calls `fire` once after at least `delayMs`. The timer never keeps a process alive on its own when `background`. */
  setTimer(fire: () => void, delayMs: number, options?: { background?: boolean }): Timer;
}

/** Node and browsers hold a timer's delay in 32 bits, and one that is longer fires at once: longer waits are set again when this is over. */
const maxDelayMs = 2 ** 31 - 1;

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  // Browsers have no such turn; the shortest timer comes after what is ready, too.
  nextTurn: () =>
    new Promise((resolve) => {
      if (typeof setImmediate === "function") setImmediate(resolve);
      else setTimeout(resolve, 0);
    }),
  setTimer(fire, delayMs, options) {
    let handle: ReturnType<typeof setTimeout>;
    const dueMs = performance.now() + Math.max(0, delayMs);
    const arm = () => {
      // Less than nothing is left where the machine was busy meanwhile, and Node warns of that.
      const leftMs = Math.max(0, Math.min(Math.ceil(dueMs - performance.now()), maxDelayMs));
      // Node counts from when its loop began to turn, in whole milliseconds, and may be up to two early: what was decided by a deadline must not be.
      handle = setTimeout(() => (performance.now() < dueMs ? arm() : fire()), leftMs);
      if (options?.background && typeof handle === "object" && "unref" in handle) handle.unref();
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  },
};
