import type { DailyWindow } from "@viable/protocol";

/** Formats that were made, by time zone: to make one takes fifty times as long as to use it. There are some 600 zones. */
const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether a moment, wall time in milliseconds, is within the hours of its day: from the first to the last, that one not included. */
export function isWithin({ from, to, timeZone }: DailyWindow, nowMs: number): boolean {
  const time = timeOfDay(timeZone, nowMs);
  if (from === to) return true;
  return from < to ? from <= time && time < to : time >= from || time < to;
}

/** As `22:05`: such texts sort by time. */
function timeOfDay(timeZone: string, nowMs: number): string {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    formats.set(timeZone, format);
  }
  return format.format(nowMs);
}
