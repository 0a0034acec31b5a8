import { toWire } from "@viable/kernel";
import { runTimedOut } from "../errors.ts";
import type { DrivenRun } from "./driven-run.ts";
import { nowOf } from "./driven-run.ts";
import { isDone, record } from "./record.ts";

/** Where a run's time is up, and not all of it is done, it goes no further. Asked before anything begins: a timer may come later than that. */
export function giveUpWhereLate(run: DrivenRun): void {
  const { deadline, phase, plan } = run.progress;
  if (deadline === undefined || nowOf(run) < deadline || phase !== "going" || isDone(run)) return;
  record(run, { type: "run.gave_up", data: { error: toWire(runTimedOut(plan.definition.name, deadline)) } });
}
