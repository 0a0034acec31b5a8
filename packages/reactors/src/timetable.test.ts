// Proves when timetables come, where clocks are put forward and back and in leap years too, against times written out by hand and against
// each other.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { timeAfter, timesUpTo } from "./timetable.ts";

const iso = (ms: number) => new Date(ms).toISOString();
const at = (text: string) => Date.parse(text);

/** The planned times after a moment, as many as are asked for. */
function timesFrom(cron: string, timeZone: string, after: string, count: number): string[] {
  const times: string[] = [];
  for (let ms = at(after); times.length < count; times.push(iso(ms))) ms = timeAfter({ cron, timeZone }, ms);
  return times;
}

describe("where clocks are put forward and back", () => {
  test.each([
    [
      "Berlin, March: 2:30 does not exist, and comes at 3:00",
      ["30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z"],
      ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"],
    ],
    [
      "Berlin, March: of two times that do not exist there is one",
      ["0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z"],
      ["2026-03-29T01:00:00.000Z", "2026-03-30T00:00:00.000Z", "2026-03-30T00:30:00.000Z"],
    ],
    [
      "Berlin, October: 2:30 is there twice, and comes once",
      ["30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z"],
      ["2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z", "2026-10-27T01:30:00.000Z"],
    ],
    [
      "Berlin, October: also where it is one of several",
      ["30 2,14 * * *", "Europe/Berlin", "2026-10-24T20:00:00Z"],
      ["2026-10-25T00:30:00.000Z", "2026-10-25T13:30:00.000Z", "2026-10-26T01:30:00.000Z"],
    ],
    [
      "New York, March: 2:30 does not exist, and comes at 3:00",
      ["30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z"],
      ["2026-03-08T07:00:00.000Z", "2026-03-09T06:30:00.000Z", "2026-03-10T06:30:00.000Z"],
    ],
    [
      "New York, November: 1:30 is there twice, and comes once",
      ["30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z"],
      ["2026-11-01T05:30:00.000Z", "2026-11-02T06:30:00.000Z", "2026-11-03T06:30:00.000Z"],
    ],
    [
      "each hour, in real time: also in the hour that there is twice",
      ["0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z"],
      ["2026-10-25T00:00:00.000Z", "2026-10-25T01:00:00.000Z", "2026-10-25T02:00:00.000Z"],
    ],
    [
      "half an hour forward: 2:15 comes at 2:30",
      ["15 2 * * *", "Australia/Lord_Howe", "2026-10-02T18:00:00Z"],
      ["2026-10-03T15:30:00.000Z", "2026-10-04T15:15:00.000Z"],
    ],
  ] as const)("%s", (_what, [cron, timeZone, after], times) => {
    expect(timesFrom(cron, timeZone, after, times.length)).toEqual(times);
  });

  const zones = fc.constantFrom("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "UTC");
  const crons = fc.constantFrom(
    "30 2 * * *",
    "0,30 1-3 * * *",
    "*/20 * * * *",
    "15 0,2 * * *",
    "0 9 * * MON",
    "59 59 23 L * *",
  );
  test("looking back finds what looking forward found, from any moment", () => {
    fc.assert(
      fc.property(zones, crons, fc.integer({ min: at("2026-01-01"), max: at("2027-01-01") }), (timeZone, cron, ms) => {
        const timetable = { cron, timeZone };
        const [before = 0, last = 0] = timesUpTo(timetable, ms, 2);
        expect([timeAfter(timetable, before), timeAfter(timetable, last) > ms, last <= ms]).toEqual([last, true, true]);
        expect(timesUpTo(timetable, last, 1)).toEqual([last]);
        expect(timesUpTo(timetable, last - 1, 1)).toEqual([before]);
      }),
    );
  });
});

test.each([
  ["the 29th of February", "0 0 29 2 *", ["2028-02-29T00:00:00.000Z", "2032-02-29T00:00:00.000Z"]],
  [
    "the last day of the month",
    "0 0 L 2 *",
    ["2026-02-28T00:00:00.000Z", "2027-02-28T00:00:00.000Z", "2028-02-29T00:00:00.000Z"],
  ],
  ["the 31st, where there is one", "0 0 31 * *", ["2026-01-31T00:00:00.000Z", "2026-03-31T00:00:00.000Z"]],
  [
    "working days",
    "0 9 * * MON-FRI",
    ["2026-01-01T09:00:00.000Z", "2026-01-02T09:00:00.000Z", "2026-01-05T09:00:00.000Z"],
  ],
  ["seconds", "*/30 * * * * *", ["2026-01-01T00:00:30.000Z", "2026-01-01T00:01:00.000Z"]],
  ["by a nickname", "@monthly", ["2026-02-01T00:00:00.000Z", "2026-03-01T00:00:00.000Z"]],
])("%s", (_what, cron, times) => {
  expect(timesFrom(cron, "UTC", "2026-01-01T00:00:00Z", times.length)).toEqual(times);
});

test("a moment that is planned is no time after itself; and nothing is asked of the machine's clock or zone", () => {
  expect(timesFrom("0 0 * * *", "UTC", "1999-12-31T00:00:00Z", 1)).toEqual(["2000-01-01T00:00:00.000Z"]);
  expect(timesFrom("0 0 * * *", "UTC", "2199-12-31T23:59:59.999Z", 1)).toEqual(["2200-01-01T00:00:00.000Z"]);
});
