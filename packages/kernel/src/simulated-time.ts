import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** A clock that stands still until it is moved. Tests of days take milliseconds, and every timer fires in a known order. */
export interface SimulatedTime extends Clock {
  /** Moves time on by `ms`, firing every timer that falls due on the way, and letting what they start run in between. */
  advance(ms: number): Promise<void>;
  /** Lets everything that can run now run, without moving time. */
  settle(): Promise<void>;
  /** Moves time on, timer by timer, until `done` holds; throws after `maxMs` of simulated time. */
  until(done: () => boolean, maxMs?: number): Promise<void>;
  /** How many timers are set. */
  readonly pending: number;
}

interface Entry {
  at: number;
  tieBreak: number;
  order: number;
  fire: () => void;
}

/**
 * Simulated time. With a random source, timers due at the same moment fire in an order drawn from it, so that a seed explores
 * interleavings and repeats them; without one, in the order they were set.
 */
export function simulateTime(options: { startMs?: number; random?: Random } = {}): SimulatedTime {
  const startMs = options.startMs ?? Date.UTC(2026, 0, 1);
  let now = startMs;
  let order = 0;
  const timers = new Set<Entry>();

  const nextDue = (): Entry | undefined => {
    let first: Entry | undefined;
    for (const entry of timers) {
      if (first === undefined || isBefore(entry, first)) first = entry;
    }
    return first;
  };
  const fireNext = async (limit: number): Promise<boolean> => {
    const entry = nextDue();
    if (entry === undefined || entry.at > limit) return false;
    now = Math.max(now, entry.at);
    timers.delete(entry);
    entry.fire();
    await runReady();
    return true;
  };

  return {
    now: () => now,
    monotonicMs: () => now - startMs,
    nextTurn: () => Promise.resolve(),
    setTimer(fire, delayMs) {
      const entry: Entry = {
        at: now + Math.max(0, delayMs),
        tieBreak: options.random?.next() ?? 0,
        order: order++,
        fire,
      };
      timers.add(entry);
      return { cancel: () => timers.delete(entry) };
    },
    async advance(ms) {
      const target = now + ms;
      await runReady();
      while (await fireNext(target));
      now = target;
      await runReady();
    },
    settle: runReady,
    async until(done, maxMs = 60_000) {
      const limit = now + maxMs;
      await runReady();
      while (!done()) {
        if (!(await fireNext(limit))) {
          throw new Error(`Not reached after ${now - startMs} simulated ms (${timers.size} timers set).`);
        }
      }
    },
    get pending() {
      return timers.size;
    },
  };
}

function isBefore(a: Entry, b: Entry): boolean {
  if (a.at !== b.at) return a.at < b.at;
  return a.tieBreak === b.tieBreak ? a.order < b.order : a.tieBreak < b.tieBreak;
}

/**
 * Lets pending promise callbacks run, whole chains of them. A turn of the platform's own loop comes after all of them; a few
 * turns also let through what crosses a message port, as a stream does.
 */
async function runReady(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => nextTurn(resolve));
}

/** Node's `setImmediate` takes microseconds where a browser's shortest timer takes a millisecond. */
const nextTurn: (callback: () => void) => void =
  typeof setImmediate === "function" ? (callback) => setImmediate(callback) : (callback) => setTimeout(callback, 0);
