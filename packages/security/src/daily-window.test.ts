/** Hours of the day in which something holds, also past midnight and over changes of the clock. */
import { expect, test } from "vitest";
import { isWithin } from "./daily-window.ts";

const at = (text: string): number => Date.parse(text);

test.each([
  ["08:00", "18:00", "UTC", "2026-01-01T08:00:00Z", true],
  ["08:00", "18:00", "UTC", "2026-01-01T07:59:59Z", false],
  ["08:00", "18:00", "UTC", "2026-01-01T18:00:00Z", false],
  ["22:00", "06:00", "UTC", "2026-01-01T23:30:00Z", true],
  ["22:00", "06:00", "UTC", "2026-01-01T00:00:00Z", true],
  ["22:00", "06:00", "UTC", "2026-01-01T06:00:00Z", false],
  ["22:00", "06:00", "UTC", "2026-01-01T12:00:00Z", false],
  ["00:00", "00:00", "UTC", "2026-01-01T12:00:00Z", true],
  // Berlin is an hour ahead in winter, two in summer.
  ["08:00", "09:00", "Europe/Berlin", "2026-01-01T07:30:00Z", true],
  ["08:00", "09:00", "Europe/Berlin", "2026-07-01T07:30:00Z", false],
  ["08:00", "09:00", "Europe/Berlin", "2026-07-01T06:30:00Z", true],
])("from %s to %s (%s), %s is within: %s", (from, to, timeZone, time, expected) => {
  expect(isWithin({ from, to, timeZone }, at(time))).toBe(expected);
});
