import { Cron } from "croner";

/** When something comes, as a cron expression by the clocks of a time zone. */
export interface Timetable {
  readonly cron: string;
  readonly timeZone: string;
}

/** Without a function it sets no timer, and with a date handed in it asks no clock. */
const toCron = ({ cron, timeZone }: Timetable): Cron =>
  new Cron(cron, { timezone: timeZone, mode: "5-or-6-parts", fixedTimeRule: "no-wildcard" });

/** The first time after a moment, in milliseconds; infinite where there is none before the year 10000. Throws what croner does where it is no cron expression. */
export const timeAfter = (timetable: Timetable, ms: number): number =>
  toCron(timetable).nextRun(new Date(ms))?.getTime() ?? Number.POSITIVE_INFINITY;

/** The last times up to a moment and with it, at most so many, the oldest first. */
export const timesUpTo = (timetable: Timetable, ms: number, count: number): readonly number[] =>
  toCron(timetable)
    .previousRuns(count, new Date(ms + 1))
    .map((date) => date.getTime())
    .reverse();
