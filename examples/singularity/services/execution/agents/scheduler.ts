import { agent } from "viable";
import { z } from "zod";
import { findOrderProblems } from "../dependency-order.ts";
import { scheduleTasks, type Task } from "../schedule-tasks.ts";

/** With as many the schedule is computed in milliseconds. */
const maxTasks = 1_000;
const maxAfter = 100;
const maxWorkers = 1_000;
const maxDuration = 1_000_000_000;
/** To how much of themselves sums of fractions are compared: a thousand additions round off a tenth of it. */
const precision = 1e-12;

const task = z.strictObject({
  id: z.string().min(1).max(100),
  duration: z.number().min(0).max(maxDuration),
  after: z.array(z.string().max(100)).max(maxAfter).default([]),
});

/** Plans who does what when, of tasks whose durations are known. */
export const scheduler = agent({
  name: "scheduler",
  capability: "task_scheduling",
  description:
    "Schedules tasks with durations and an order on equal workers: timelines, makespan, critical path, lower bound",
  input: z.strictObject({
    tasks: z
      .array(task)
      .min(1)
      .max(maxTasks)
      .superRefine((tasks, refinement) => {
        for (const { path, reason } of findOrderProblems(tasks)) {
          refinement.addIssue({ code: "custom", path, message: reason });
        }
      })
      .describe('What is to be done, as [{"id","duration","after"}]; durations in any one unit'),
    workers: z.number().int().min(1).max(maxWorkers).describe("Who works, each on one task at a time"),
  }),
  risk: "low",
  joinable: true,
  handle(_ctx, { tasks, workers }) {
    const { timelines, makespan, lowerBound, criticalPath, ...rest } = scheduleTasks(tasks, workers);
    const used = timelines.flatMap((slots, worker) =>
      slots.length === 0
        ? []
        : [
            {
              worker: worker + 1,
              busy: slots.reduce((sum, each) => sum + each.end - each.start, 0),
              tasks: [...slots],
            },
          ],
    );
    return {
      makespan,
      lowerBound,
      isShortest: isShortest(tasks, makespan, lowerBound),
      criticalPath: [...criticalPath],
      ...rest,
      workers: used,
      idleWorkers: workers - used.length,
      origin: "critical-path list scheduling",
    };
  },
});

/** Whether no schedule can be shorter. Of whole durations every sum is exact, and none ends between two whole numbers. */
function isShortest(tasks: readonly Task[], makespan: number, lowerBound: number): boolean {
  return tasks.every(({ duration }) => Number.isInteger(duration))
    ? makespan <= Math.ceil(lowerBound)
    : makespan <= lowerBound * (1 + precision);
}
