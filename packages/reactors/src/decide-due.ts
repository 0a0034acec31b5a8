import { invariant } from "@viable/kernel";
import type { Schedule } from "./schedule.ts";
import { timeAfter, timesUpTo } from "./timetable.ts";

/** How late a run may begin and still be on time, in milliseconds: a restart is no downtime. */
const onTimeMs = 60_000;

/** What is to become of the planned times between two moments. */
export interface DueDecision {
  /** The last of them. */
  readonly upTo: number;
  /** Those for which runs begin. */
  readonly begin: readonly number[];
  /** The first and the last of those that are left out, which all come before the others. */
  readonly leftOut: { readonly from: number; readonly to: number } | undefined;
}

/** Decides on the planned times after one moment and up to another; undefined where there are none. */
export function decideDue(schedule: Schedule, afterMs: number, nowMs: number): DueDecision | undefined {
  const first = timeAfter(schedule, afterMs);
  if (first > nowMs) return undefined;
  const wanted = schedule.missed === "all" ? schedule.maxMissed : 1;
  const times = timesUpTo(schedule, nowMs, wanted + 1).filter((at) => at > afterMs);
  const upTo = times.at(-1);
  invariant(upTo !== undefined, "a time that is due is among those up to now", `${first} is not, of ${schedule.name}`);
  const begins = schedule.missed !== "none" || nowMs - upTo <= onTimeMs;
  const begin = begins ? times.slice(-wanted) : [];
  const to = times.at(-1 - begin.length);
  return { upTo, begin, leftOut: to === undefined ? undefined : { from: first, to } };
}
