import type { Pending, Written } from "../run-journal.ts";
import { writeRun } from "../run-journal.ts";
import { catchUp, isBehind } from "./catch-up.ts";
import type { DrivenRun } from "./driven-run.ts";
import { mayGoOn } from "./driven-run.ts";

/** Reads what others have written and writes what is pending, until there is neither. */
export async function write(run: DrivenRun): Promise<void> {
  try {
    // What else comes about in this turn travels along.
    await undefined;
    while (!run.hasLeft && (isBehind(run) || run.pending.length > 0)) {
      if (isBehind(run)) await catchUp(run);
      else await writePending(run);
    }
  } catch (error) {
    if (!run.hasLeft) run.giveUp(error);
  } finally {
    run.writing = undefined;
    run.settle();
  }
}

/** One append, or as many as it takes; then begins what has become possible by it. */
async function writePending(run: DrivenRun): Promise<void> {
  const { ctx, ports, runId, progress, pending } = run;
  run.pending = [];
  const ready = progress.takeReady();
  let written: Written = { kind: "lost" };
  try {
    written = await writeRun(ctx, ports.log, runId, run.durable, markIdle(run, pending), () => mayGoOn(run));
  } finally {
    // Whoever waits for it to be durable waits no longer, and finds the run gone.
    if (written.kind === "lost" || run.hasLeft) for (const each of pending) each.onWritten?.(false);
  }
  if (written.kind === "lost" || run.hasLeft) {
    run.lose("its claim ran out");
    return;
  }
  run.durable = written.version;
  const count = written.kind === "overtaken" ? written.written : pending.length;
  for (const { event, onWritten } of pending.slice(0, count)) {
    if ("step" in event.data) run.unwritten.delete(event.data.step);
    onWritten?.(true);
  }
  if (written.kind === "overtaken") {
    run.pending = [...pending.slice(count), ...run.pending];
    run.heard = Math.max(run.heard, run.durable + 1);
  } else run.launch(ready);
}

/**
 * Where this is the last that happens for a while, the log says until when: nobody needs to look at the run before. That holds of this append
 * alone: where somebody else is quicker, more may have become possible by the time it is written.
 */
function markIdle({ progress, active }: DrivenRun, pending: Pending[]): Pending[] {
  const last = pending.at(-1);
  if (last?.event.type !== "step.waiting" || active.size > 0) return pending;
  let untilMs = progress.deadline ?? Number.POSITIVE_INFINITY;
  for (const { path, todo, wait, retryAt } of progress.open.values()) {
    if (todo === undefined) continue;
    // What stands in another stream may have come already, and not been heard of: but for the end of a run that begins in this very append.
    const mayHaveCome = wait?.for === "event" || (wait?.for === "run" && path !== last.event.data.step);
    if (mayHaveCome || (wait === undefined && retryAt === undefined)) return pending;
    const dueMs = wait === undefined ? retryAt : "until" in wait ? wait.until : undefined;
    untilMs = Math.min(untilMs, dueMs ?? Number.POSITIVE_INFINITY);
  }
  const idle = Number.isFinite(untilMs) ? untilMs : null;
  return [...pending.slice(0, -1), { ...last, event: { ...last.event, data: { ...last.event.data, idle } } }];
}
