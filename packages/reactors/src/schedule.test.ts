// Proves that a schedule is what was said, and that what could not work is refused where it is written, with its place.
import { codeOf } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import { inputFor, keyFor } from "./schedule.ts";
import type { NightlySettings } from "./testing/nightly-schedule.ts";
import { nightly } from "./testing/nightly-schedule.ts";

const iso = (ms: number) => new Date(ms).toISOString();
const at = (text: string) => Date.parse(text);

describe("a definition", () => {
  test("is frozen data, with what was not said filled in", () => {
    const input = { day: "today" };
    const made = nightly({ cron: "  @daily ", input });
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
    const made = nightly({ input: ({ at, name }) => ({ day: `${name} ${iso(at).slice(0, 10)}` }) });
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
    const making = () => nightly(settings as unknown as NightlySettings);
    expect(making).toThrow(message);
    try {
      making();
    } catch (error) {
      expect(codeOf(error)).toBe("reactor.invalid_schedule");
    }
  });
  test("with a time zone that is nearly one is told the one", () => {
    expect(() => nightly({ timeZone: "Europe/Berlln" })).toThrow(
      expect.objectContaining({ next: expect.stringContaining("Europe/Berlin") }),
    );
  });
});
