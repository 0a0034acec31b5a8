import type { JsonValue } from "@viable/kernel";
import { defaultTenant, nearestNames, ViableError } from "@viable/kernel";
import type { ReactorDefinition } from "./definition.ts";
import { keepInput, parseInput } from "./run-start.ts";
import type { Timetable } from "./timetable.ts";
import { timeAfter } from "./timetable.ts";

/** How many planned times may be caught up with: each is a run, and they begin at once. */
const maxMaxMissed = 1_000;
const defaultMaxMissed = 100;
/** The key of a run holds it, and a key has 200 characters. */
const maxNameChars = 100;
const namePattern = /^[a-z][a-zA-Z0-9]*([_-][a-zA-Z0-9]+)*$/;
/** A nickname, or five or six fields. What else croner takes, a date or a year, is over some day. */
const cronPattern = /^(@\S+|\S+(\s+\S+){4,5})$/;

/** One of the times that a schedule plans. */
export interface PlannedTime {
  /** Wall time in milliseconds. */
  readonly at: number;
  /** The schedule's. */
  readonly name: string;
}

/** What is done about times that came while no process was there: a run for the last of them, for each, or for none. */
export type MissedPolicy = "latest" | "all" | "none";

export interface ScheduleSettings<Input> {
  /** Letters and digits, in words joined by - or _. How far it has come is kept under it, and its runs are known by it. */
  readonly name: string;
  /**
   * Minute, hour, day of the month, month, day of the week; with six fields, the second stands before them. Also `@hourly`, `@daily`,
   * `@weekly`, `@monthly`, `@yearly`.
   */
  readonly cron: string;
  /** Whose clocks the fields are read by, such as `Europe/Berlin`. Default `UTC`, whatever the machine is set to. */
  readonly timeZone?: string;
  /** What is begun: the newest version of its name, where several are here. */
  readonly reactor: ReactorDefinition<Input>;
  /** What each run begins with, or what makes that of its planned time. */
  readonly input: NoInfer<Input> | ((planned: PlannedTime) => NoInfer<Input>);
  /**
   * A time is missed where its run has not begun within a minute, or before the next time came. Default `latest`: however many were missed,
   * one run, for the last.
   */
  readonly missed?: MissedPolicy;
  /** With `missed: "all"`, for how many times runs begin at most, the latest ones. Default 100, at most 1,000. */
  readonly maxMissed?: number;
  /**
   * With `skip` no run begins while the one before has not ended. One that stands in `needs_review` has not. Default `allow`.
   */
  readonly overlap?: "allow" | "skip";
  /** Whose runs they are. Default: that of a system that has only one tenant. */
  readonly tenant?: string;
}

/** When runs of a reactor begin, as data: frozen, and kept by `createSchedules`. */
export interface Schedule extends Timetable {
  readonly kind: "schedule";
  readonly name: string;
  readonly reactor: ReactorDefinition;
  readonly input: JsonValue | ((planned: PlannedTime) => unknown);
  readonly missed: MissedPolicy;
  readonly maxMissed: number;
  readonly overlap: "allow" | "skip";
  readonly tenant: string;
}

/**
 * Defines a schedule. Checked here and now: throws `reactor.invalid_schedule` with the setting and the reason.
 *
 * Where clocks are put forward, a time that does not exist comes at the first moment after the gap; where they are put back, one that
 * there is twice comes once, the first time. That is so where hours and minutes are written out. With a `*` or a step in them they
 * follow real time: `0 * * * *` comes each hour, also in the hour that there is twice, and each quarter of an hour that there is not in
 * one night does not come in that night.
 */
export function schedule<Input>(settings: ScheduleSettings<Input>): Schedule {
  const { name, timeZone = "UTC", missed = "latest", maxMissed = defaultMaxMissed, overlap = "allow" } = settings;
  const cron = String(settings.cron).trim();
  const refuse = (what: string, reason: string, next?: string) => invalidSchedule(name, what, reason, next);
  if (typeof name !== "string" || !namePattern.test(name) || name.length > maxNameChars)
    throw refuse("name", `a name is letters and digits, in words joined by - or _, at most ${maxNameChars} of them`);
  checkTimeZone(timeZone, refuse);
  checkCron(cron, timeZone, refuse);
  if (!["latest", "all", "none"].includes(missed)) throw refuse("missed", `"${missed}" is not latest, all or none`);
  if (!Number.isInteger(maxMissed) || maxMissed < 1 || maxMissed > maxMaxMissed)
    throw refuse("maxMissed", `${maxMissed} is no whole number from 1 to ${maxMaxMissed}`);
  if (!["allow", "skip"].includes(overlap)) throw refuse("overlap", `"${overlap}" is not allow or skip`);
  if (missed === "all" && overlap === "skip")
    throw refuse(
      "overlap",
      "runs for all missed times begin at once, so with skip only the oldest would",
      'Say missed: "latest", or let runs overlap.',
    );
  if (settings.reactor?.kind !== "reactor") throw refuse("reactor", "it is no definition of a reactor");
  return Object.freeze({
    kind: "schedule",
    name,
    cron,
    timeZone,
    reactor: settings.reactor as ReactorDefinition,
    input: checkInput(settings, refuse),
    missed,
    maxMissed,
    overlap,
    tenant: settings.tenant ?? defaultTenant,
  });
}

/** `reactor.invalid_schedule`: no run would begin as it says. */
export const invalidSchedule = (schedule: string, what: string, reason: string, next?: string): ViableError =>
  new ViableError("reactor.invalid_schedule", `schedule "${schedule}", ${what}: ${reason}.`, {
    next: next ?? "Change the schedule; no run of it begins.",
    details: { schedule, path: what, reason },
  });

type Refuse = (what: string, reason: string, next?: string) => ViableError;

function checkTimeZone(timeZone: string, refuse: Refuse): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
  } catch {
    const near = nearestNames(timeZone, Intl.supportedValuesOf("timeZone"));
    throw refuse(
      "timeZone",
      `there is no time zone "${timeZone}"`,
      near.length === 0 ? "Name it as the IANA does, such as Europe/Berlin." : `Near it are ${near.join(", ")}.`,
    );
  }
}

function checkCron(cron: string, timeZone: string, refuse: Refuse): void {
  const next = "Write minute, hour, day of the month, month and day of the week: 30 2 * * MON-FRI.";
  if (!cronPattern.test(cron)) throw refuse("cron", `"${cron}" has not five or six fields`, next);
  let first: number;
  try {
    first = timeAfter({ cron, timeZone }, 0);
  } catch (error) {
    throw refuse("cron", error instanceof Error ? error.message.replace(/^CronPattern: /, "") : String(error), next);
  }
  // The calendar repeats itself, so what has not come since 1970 does not come.
  if (!Number.isFinite(first)) throw refuse("cron", `"${cron}" never comes`, next);
}

function checkInput<Input>({ input, reactor }: ScheduleSettings<Input>, refuse: Refuse): Schedule["input"] {
  if (typeof input === "function") return input as (planned: PlannedTime) => unknown;
  const parsed = parseInput(reactor.input, input);
  if ("reason" in parsed) throw refuse(parsed.path, parsed.reason, `Hand in what "${reactor.name}" asks for.`);
  const kept = keepInput(input);
  if ("reason" in kept) throw refuse(kept.path, kept.reason);
  return kept.value;
}

/** What a run of a planned time begins with. */
export const inputFor = ({ name, input }: Schedule, at: number): unknown =>
  typeof input === "function" ? input({ at, name }) : input;

/** What the run of a planned time is known by: however many processes begin it, it is one run. */
export const keyFor = ({ name }: Schedule, at: number): string => `schedule:${name}:${new Date(at).toISOString()}`;
