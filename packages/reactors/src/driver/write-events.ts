import { toWire, ViableError } from "@viable/kernel";
import type { RunEvent } from "@viable/protocol";
import { invalidResult } from "../errors.ts";
import { keepJson } from "../keep-json.ts";
import { maxResultChars } from "../run-bounds.ts";
import type { Pending, Written } from "../run-journal.ts";
import { writeRun } from "../run-journal.ts";
import type { DrivenRun } from "./driven-run.ts";
import { isToClear, mayGoOn, mayStay, undoKey } from "./driven-run.ts";

/** What an event takes that holds nothing large, in characters. */
const smallChars = 200;

/**
 * Takes an event into account at once, and writes it down: one append of a run is on its way at a time, and takes along all that has come
 * meanwhile. What no longer says anything is dropped.
 */
export function record(
  run: DrivenRun,
  event: RunEvent,
  chars = smallChars,
  more: Pick<Pending, "begins" | "onWritten" | "ifGoing"> = {},
): void {
  if (run.hasLeft || !saysSomething(run, event)) {
    more.onWritten?.(false);
    return;
  }
  run.progress.apply(event, run.progress.version + 1);
  if ("step" in event.data) run.unwritten.add(event.data.step);
  run.pending.push({ event, chars, ...more });
  // What it comes to travels with the last step's success.
  if (isDone(run)) complete(run);
  if (event.type === "run.gave_up") endCalls(run);
  run.writing ??= write(run);
}

/** Records, and waits until it is durable; false where it says nothing any more, or the run is not this driver's. */
export async function recordDurably(run: DrivenRun, event: RunEvent): Promise<boolean> {
  const isDurable = await new Promise<boolean>((onWritten) => record(run, event, smallChars, { onWritten }));
  if (isDurable && !run.hasLeft && !mayGoOn(run)) run.lose("its lease ran out");
  return isDurable && !run.hasLeft;
}

/** Whether an event still says something as things stand; that a step begins does not where the run goes no further. */
function saysSomething(run: DrivenRun, event: RunEvent): boolean {
  const { progress } = run;
  if (!progress.accepts(event)) return false;
  const begins = event.type === "step.waiting" || (event.type === "step.started" && event.data.during === undefined);
  if (!begins || progress.phase === "going") return true;
  const node = progress.open.get(event.data.step);
  return node !== undefined && isToClear(run, node);
}

/** The run's stream has come to this version. What was not written here is read; false where all of it is known. */
export function readNews(run: DrivenRun, version: number): boolean {
  run.heard = Math.max(run.heard, version);
  if (!isBehind(run) || run.hasLeft) return false;
  run.writing ??= write(run);
  return true;
}

/** Its last step has succeeded, and nothing came between. */
export const isDone = ({ progress }: DrivenRun): boolean => progress.output !== undefined && progress.phase === "going";

/** Records what the run comes to, or that it cannot be kept. */
export function complete(run: DrivenRun): void {
  const kept = keepJson(run.progress.output?.value, maxResultChars);
  if (typeof kept === "string")
    record(run, { type: "run.gave_up", data: { error: toWire(invalidResult("returns", kept)) } });
  else record(run, { type: "run.completed", data: { result: kept.value as never } }, kept.chars);
}

/** It goes no further by somebody's word: calls are told, and what they make of it is waited for. */
function endCalls(run: DrivenRun): void {
  const reason = new ViableError("reactor.run_cancelled", `The run ${run.runId} goes no further.`);
  for (const [path, each] of run.active) {
    const node = run.progress.open.get(path);
    // What puts things right is let to, and so is what may have happened before: only what succeeds can be undone.
    const isClearing = path === undoKey || node?.todo === "compensate" || (node !== undefined && mayStay(run, node));
    if (!isClearing) each.tell?.(reason);
  }
}

const isBehind = ({ heard, durable }: DrivenRun): boolean => heard > durable;

/** Reads what others have written and writes what is pending, until there is neither. */
async function write(run: DrivenRun): Promise<void> {
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
  markIdle(run, pending);
  let written: Written = { kind: "lost" };
  try {
    written = await writeRun(ctx, ports.log, runId, run.durable, pending, () => mayGoOn(run));
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

/** Where this is the last that happens for a while, the log says until when: nobody needs to look at the run before. */
function markIdle({ progress, active }: DrivenRun, pending: Pending[]): void {
  const last = pending.at(-1);
  if (last?.event.type !== "step.waiting" || active.size > 0) return;
  let untilMs = progress.deadline ?? Number.POSITIVE_INFINITY;
  for (const { todo, wait, retryAt } of progress.open.values()) {
    if (todo === undefined) continue;
    // What it waits for from outside may have come already.
    if (wait === undefined ? retryAt === undefined : wait.for === "event") return;
    const dueMs = wait === undefined ? retryAt : "until" in wait ? wait.until : undefined;
    untilMs = Math.min(untilMs, dueMs ?? Number.POSITIVE_INFINITY);
  }
  const idle = Number.isFinite(untilMs) ? untilMs : null;
  pending[pending.length - 1] = { ...last, event: { ...last.event, data: { ...last.event.data, idle } } };
}

/** Others have written: begins again from what the log has, and what was on its way is written after it, where it still says something. */
async function catchUp(run: DrivenRun): Promise<void> {
  // What is heard of from here on may be newer than what is read.
  run.heard = 0;
  const progress = await run.ports.reload(run.ctx, run.runId);
  if (progress === undefined) {
    run.lose("somebody else has claimed it");
    return;
  }
  const wasGoing = run.progress.phase === "going";
  const { pending } = run;
  run.pending = [];
  run.unwritten.clear();
  run.durable = progress.version;
  run.heard = Math.max(run.heard, progress.version);
  run.progress = progress;
  for (const each of pending) {
    const event = progress.phase === "going" && each.ifGoing !== undefined ? each.ifGoing : each.event;
    if (event === null || !saysSomething(run, event)) {
      each.onWritten?.(false);
      continue;
    }
    progress.apply(event, progress.version + 1);
    if ("step" in event.data) run.unwritten.add(event.data.step);
    run.pending.push({ ...each, event });
  }
  if (wasGoing && progress.phase === "failing" && progress.failure?.cause.kind !== "step_failed") endCalls(run);
  run.undoRests = false;
  if (run.pending.length === 0) run.launch(progress.takeReady());
}
