// Proves what is decided about planned times that have come or were missed.
import { describe, expect, test } from "vitest";
import { decideDue } from "./decide-due.ts";
import type { NightlySettings } from "./testing/nightly-schedule.ts";
import { nightly } from "./testing/nightly-schedule.ts";

const iso = (ms: number) => new Date(ms).toISOString();
const at = (text: string) => Date.parse(text);

describe("what becomes of the times that have come", () => {
  const hourly = (settings: NightlySettings = {}) => nightly({ cron: "0 * * * *", ...settings });
  const after = at("2026-01-01T00:00:00Z");
  const decide = (settings: NightlySettings, now: string) => {
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
    const due = decideDue(nightly({ cron: "* * * * * *" }), after, at("2027-01-01T00:00:00Z"));
    expect(due).toMatchObject({
      begin: [at("2027-01-01T00:00:00Z")],
      leftOut: { from: after + 1_000, to: at("2026-12-31T23:59:59Z") },
    });
  });
});
