// Proves when schedules come, where clocks are put forward and back and in leap years too, against times written out by hand and against
// each other; what is decided about times that were missed; and that what could not work is refused where it is written, with its place.
import { codeOf } from "@viable/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { Schedule, ScheduleSettings } from "./schedule.ts";
import { decideDue, inputFor, keyFor, schedule, timeAfter, timesUpTo } from "./schedule.ts";

const report = reactor("report", { input: z.strictObject({ day: z.string() }) }, (steps) =>
  steps
    .step("write", { args: ({ input }) => ({ day: input.day }), run: (_ctx, { day }) => day })
    .returns(({ results }) => results.write),
);
type Settings = ScheduleSettings<{ day: string }>;
const make = (settings: Partial<Settings> = {}): Schedule =>
  schedule({ name: "nightly", cron: "30 2 * * *", reactor: report, input: { day: "today" }, ...settings });

const iso = (ms: number) => new Date(ms).toISOString();
const at = (text: string) => Date.parse(text);

/** The planned times after a moment, as many as are asked for. */
function timesFrom(cron: string, timeZone: string, after: string, count: number): string[] {
  const times: string[] = [];
  for (let ms = at(after); times.length < count; times.push(iso(ms))) ms = timeAfter(make({ cron, timeZone }), ms);
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
        const timetable = make({ cron, timeZone });
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

describe("what becomes of the times that have come", () => {
  const hourly = (settings: Partial<Settings> = {}) => make({ cron: "0 * * * *", ...settings });
  const after = at("2026-01-01T00:00:00Z");
  const decide = (settings: Partial<Settings>, now: string) => {
    const due = decideDue(hourly(settings), after, at(now));
    const { leftOut } = due ?? {};
    return (
      due && { upTo: iso(due.upTo), begin: due.begin.map(iso), leftOut: leftOut && [leftOut.from, leftOut.to].map(iso) }
    );
  };
  const hour = (nr: number) => `2026-01-01T0${nr}:00:00.000Z`;

  test("before the next there is nothing", () => expect(decide({}, "2026-01-01T00:59:59.999Z")).toBeUndefined());
  test.each(["latest", "all", "none"] as const)("one that is on time begins, with %s", (missed) => {
    expect(decide({ missed }, hour(1))).toEqual({ upTo: hour(1), begin: [hour(1)], leftOut: undefined });
    expect(decide({ missed }, "2026-01-01T01:01:00.000Z")).toMatchObject({ begin: [hour(1)] });
  });
  test("latest: the last that was missed begins", () => {
    expect(decide({}, "2026-01-01T03:30:00Z")).toEqual({
      upTo: hour(3),
      begin: [hour(3)],
      leftOut: [hour(1), hour(2)],
    });
    expect(decide({}, "2026-01-01T01:30:00Z")).toEqual({ upTo: hour(1), begin: [hour(1)], leftOut: undefined });
  });
  test("none: what was missed is left out, and what is on time is not", () => {
    const missed = "none";
    expect(decide({ missed }, "2026-01-01T03:01:00.001Z")).toEqual({
      upTo: hour(3),
      begin: [],
      leftOut: [hour(1), hour(3)],
    });
    expect(decide({ missed }, "2026-01-01T03:01:00Z")).toEqual({
      upTo: hour(3),
      begin: [hour(3)],
      leftOut: [hour(1), hour(2)],
    });
  });
  test("all: each begins, but no more than may, and those are the latest", () => {
    const missed = "all";
    expect(decide({ missed }, "2026-01-01T03:30:00Z")).toEqual({
      upTo: hour(3),
      begin: [1, 2, 3].map(hour),
      leftOut: undefined,
    });
    expect(decide({ missed, maxMissed: 3 }, hour(3))).toMatchObject({ begin: [1, 2, 3].map(hour), leftOut: undefined });
    expect(decide({ missed, maxMissed: 2 }, hour(4))).toEqual({
      upTo: hour(4),
      begin: [3, 4].map(hour),
      leftOut: [hour(1), hour(2)],
    });
    expect(decide({ missed }, "2026-03-01T00:00:00Z")?.begin).toHaveLength(100);
  });
  test("a year of missed seconds is decided on at once", () => {
    const due = decideDue(make({ cron: "* * * * * *" }), after, at("2027-01-01T00:00:00Z"));
    expect(due).toMatchObject({
      begin: [at("2027-01-01T00:00:00Z")],
      leftOut: { from: after + 1_000, to: at("2026-12-31T23:59:59Z") },
    });
  });
});

describe("a definition", () => {
  test("is frozen data, with what was not said filled in", () => {
    const input = { day: "today" };
    const made = make({ cron: "  @daily ", input });
    input.day = "changed later";
    expect(made).toMatchObject({
      kind: "schedule",
      cron: "@daily",
      timeZone: "UTC",
      missed: "latest",
      maxMissed: 100,
      overlap: "allow",
    });
    expect([Object.isFrozen(made), Object.isFrozen(made.input), inputFor(made, 0)]).toEqual([
      true,
      true,
      { day: "today" },
    ]);
  });
  test("makes a run's input of its planned time, and its key", () => {
    const made = make({ input: ({ at, name }) => ({ day: `${name} ${iso(at).slice(0, 10)}` }) });
    expect(inputFor(made, at("2026-01-01T02:30:00Z"))).toEqual({ day: "nightly 2026-01-01" });
    expect(keyFor(made, at("2026-01-01T02:30:00Z"))).toBe("schedule:nightly:2026-01-01T02:30:00.000Z");
  });
  test.each([
    ["a field out of range", { cron: "61 * * * *" }, /schedule "nightly", cron: Invalid value for minute: 61/],
    ["too few fields", { cron: "* * * *" }, /cron: "\* \* \* \*" has not five or six fields/],
    ["years", { cron: "0 0 0 1 1 * 2030" }, /cron: .*five or six fields/],
    ["a date", { cron: "2026-01-01T00:00:00" }, /cron: .*five or six fields/],
    ["a day that never comes", { cron: "0 0 30 2 *" }, /cron: "0 0 30 2 \*" never comes/],
    ["the start of a machine", { cron: "@reboot" }, /cron: @reboot is not supported/],
    ["nothing", { cron: "" }, /cron: "" has not/],
    ["an unknown time zone", { timeZone: "Europe/Berlln" }, /timeZone: there is no time zone "Europe\/Berlln"/],
    ["an empty time zone", { timeZone: "" }, /timeZone: there is no time zone ""/],
    ["a bad name", { name: "Nightly run" }, /schedule "Nightly run", name: a name is letters/],
    ["a long name", { name: "n".repeat(101) }, /name: .*at most 100/],
    ["an input that does not fit", { input: { day: 7 } }, /schedule "nightly", input.day: /],
    ["a policy that there is not", { missed: "some" }, /missed: "some" is not/],
    ["another overlap", { overlap: "queue" }, /overlap: "queue" is not/],
    ["a bound that is none", { maxMissed: 0 }, /maxMissed: 0 is no whole number from 1 to 1000/],
    ["all, one at a time", { missed: "all", overlap: "skip" }, /overlap: runs for all missed times begin at once/],
    ["no reactor", { reactor: undefined }, /reactor: it is no definition/],
  ])("with %s is refused, with the place", (_what, settings, message) => {
    const making = () => make(settings as unknown as Partial<Settings>);
    expect(making).toThrow(message);
    try {
      making();
    } catch (error) {
      expect(codeOf(error)).toBe("reactor.invalid_schedule");
    }
  });
  test("with a time zone that is nearly one is told the one", () => {
    expect(() => make({ timeZone: "Europe/Berlln" })).toThrow(
      expect.objectContaining({ next: expect.stringContaining("Europe/Berlin") }),
    );
  });
});
