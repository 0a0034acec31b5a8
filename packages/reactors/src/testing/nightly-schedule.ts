import { z } from "zod";
import { reactor } from "../reactor.ts";
import type { Schedule, ScheduleSettings } from "../schedule.ts";
import { schedule } from "../schedule.ts";

/** What the schedules of tests begin. */
const report = reactor("report", { input: z.strictObject({ day: z.string() }) }, (steps) =>
  steps
    .step("write", { args: ({ input }) => ({ day: input.day }), run: (_ctx, { day }) => day })
    .returns(({ results }) => results.write),
);

export type NightlySettings = Partial<ScheduleSettings<{ day: string }>>;

/** A schedule that begins `report` each night, but for what is said otherwise. */
export const nightly = (settings: NightlySettings = {}): Schedule =>
  schedule({ name: "nightly", cron: "30 2 * * *", reactor: report, input: { day: "today" }, ...settings });
