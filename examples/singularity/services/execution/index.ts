import { service } from "viable";
import { batchRunner } from "./agents/batch-runner.ts";
import { planRunner } from "./agents/plan-runner.ts";
import { reactorRunner } from "./agents/reactor-runner.ts";
import { scheduler } from "./agents/scheduler.ts";
import { taskRunner } from "./agents/task-runner.ts";

/** Runs the work of others: one task again until it succeeds, plans of several, lists, reactors, and schedules of what is to come. */
export const execution = service({
  name: "execution",
  description: "Runs tasks, plans, lists of tasks and reactors for others, and schedules what is to come",
  port: 4004,
  agents: [taskRunner, planRunner, scheduler, batchRunner, reactorRunner],
  // Its agents wait for others most of the time.
  workers: 5,
});
