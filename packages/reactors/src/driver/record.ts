import { keepJson, toWire } from "@viable/kernel";
import type { RunEvent } from "@viable/protocol";
import { invalidOutput } from "../errors.ts";
import { maxResultChars } from "../run-bounds.ts";
import type { Pending } from "../run-journal.ts";
import { isToClear, tellCalls } from "./clear-up.ts";
import type { DrivenRun } from "./driven-run.ts";
import { mayGoOn } from "./driven-run.ts";

/** What an event takes, as the log counts it. */
const charsOf = ({ data }: RunEvent): number => JSON.stringify(data).length;

/**
 * Takes an event into account at once, and has it written down: one append of a run is on its way at a time, and takes along all that has
 * come meanwhile. What no longer says anything is dropped. `chars` is said where it was counted already, as of a result that is kept.
 */
export function record(
  run: DrivenRun,
  event: RunEvent,
  chars = charsOf(event),
  more: Pick<Pending, "begins" | "onWritten" | "ifGoing"> = {},
): void {
  if (run.hasLeft || !saysSomething(run, event)) {
    more.onWritten?.(false);
    return;
  }
  takePending(run, { event, chars, ...more });
  // What it comes to travels with the last step's success.
  if (isDone(run)) complete(run);
  if (event.type === "run.gave_up") tellCalls(run);
  run.write();
}

/** An event to be written, which the run's state holds from here on. */
export function takePending(run: DrivenRun, pending: Pending): void {
  const { event } = pending;
  run.progress.apply(event, run.progress.version + 1);
  if ("step" in event.data) run.unwritten.add(event.data.step);
  run.pending.push(pending);
}

/** Records, and waits until it is durable; false where it says nothing any more, or the run is not this driver's. */
export async function recordDurably(run: DrivenRun, event: RunEvent): Promise<boolean> {
  const isDurable = await new Promise<boolean>((onWritten) => record(run, event, undefined, { onWritten }));
  if (isDurable && !run.hasLeft && !mayGoOn(run)) run.lose("its lease ran out");
  return isDurable && !run.hasLeft;
}

/** Whether an event still says something as things stand; that a step begins does not where the run goes no further. */
export function saysSomething(run: DrivenRun, event: RunEvent): boolean {
  const { progress } = run;
  if (!progress.accepts(event)) return false;
  const begins = event.type === "step.waiting" || (event.type === "step.started" && event.data.during === undefined);
  if (!begins || progress.phase === "going") return true;
  const node = progress.open.get(event.data.step);
  return node !== undefined && isToClear(run, node);
}

/** Its last step has succeeded, and nothing came between. */
export const isDone = ({ progress }: DrivenRun): boolean => progress.output !== undefined && progress.phase === "going";

/** Records what the run comes to, or that it cannot be kept. */
export function complete(run: DrivenRun): void {
  const kept = keepJson(run.progress.output?.value, maxResultChars);
  if (typeof kept === "string") record(run, { type: "run.gave_up", data: { error: toWire(invalidOutput(kept)) } });
  else record(run, { type: "run.completed", data: { result: kept.value } }, kept.chars);
}
