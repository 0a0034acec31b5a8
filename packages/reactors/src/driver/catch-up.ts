import type { RunEvent } from "@viable/protocol";
import type { OpenNode } from "../open-node.ts";
import type { Progress } from "../progress.ts";
import { toRunEvent } from "../read-run.ts";
import { runStream, untilAnswered } from "../run-journal.ts";
import { isStopped, tellCalls } from "./clear-up.ts";
import type { DrivenRun } from "./driven-run.ts";
import { mayGoOn } from "./driven-run.ts";
import { saysSomething, takePending } from "./record.ts";
import { askHeldReview } from "./reviews.ts";

/** How many events that others have written are read at once: an order is one, and few come together. */
const maxNewEvents = 100;

/** What others wrote, with its place in the run's stream; and whether that is all. */
interface News {
  readonly events: readonly { readonly event: RunEvent; readonly version: number }[];
  readonly isEnd: boolean;
}

/** The run's stream has come to this version. What was not written here is read; false where all of it is known. */
export function readNews(run: DrivenRun, version: number): boolean {
  run.heard = Math.max(run.heard, version);
  if (!isBehind(run) || run.hasLeft) return false;
  run.write();
  return true;
}

export const isBehind = ({ heard, durable }: DrivenRun): boolean => heard > durable;

/**
 * Others have written: what they wrote is read, and taken into account. A database that is away is asked again for as long as the claim
 * holds: what goes on here is not thrown away for a moment's sake.
 */
export async function catchUp(run: DrivenRun): Promise<void> {
  // What is heard of from here on may be newer than what is read.
  run.heard = 0;
  if (run.pending.length === 0) {
    const news = await ask(run, () => readNewEvents(run));
    if (news === undefined) return;
    if (run.pending.length === 0 && !news.events.some(({ event }) => event.type === "run.claimed")) {
      takeNews(run, news);
      return;
    }
  }
  const progress = await ask(run, () => run.ports.reload(run.ctx, run.runId));
  if (progress === undefined) run.lose("somebody else has claimed it");
  else startOver(run, progress);
}

/** What the log answers; undefined where the run is not this driver's any more. */
async function ask<T>(run: DrivenRun, question: () => Promise<T>): Promise<T | undefined> {
  const answer = await untilAnswered(run.ctx, question, () => mayGoOn(run));
  if (!mayGoOn(run)) run.lose("its claim ran out");
  return run.hasLeft ? undefined : answer;
}

async function readNewEvents(run: DrivenRun): Promise<News> {
  const { ctx, ports, runId, durable } = run;
  const from = { fromVersion: durable + 1, limit: maxNewEvents };
  const { events, isEnd } = await ports.log.readStreamPage(ctx, runStream(runId), from);
  return { events: events.map((stored) => ({ event: toRunEvent(stored), version: stored.version })), isEnd };
}

/** Nothing of this driver's stands between what it knows and what is new: that follows. */
function takeNews(run: DrivenRun, { events, isEnd }: News): void {
  const { progress } = run;
  const wasStopped = isStopped(run);
  for (const { event, version } of events) progress.apply(event, version);
  run.durable = progress.version;
  // There may be more.
  if (!isEnd) run.heard = Math.max(run.heard, run.durable + 1);
  const ready = progress.takeReady();
  // An approval makes possible what it makes ready; anything else may let go on what could before, and was not begun.
  const isLocal = events.every(({ event }) => event.type === "approval.decided");
  goOn(run, wasStopped, isLocal ? ready : [...progress.open.values()]);
}

/** Starts from what the log has; what was on its way is written after it, where it still says something. */
function startOver(run: DrivenRun, progress: Progress): void {
  const wasStopped = isStopped(run);
  const { pending } = run;
  run.pending = [];
  run.unwritten.clear();
  run.durable = progress.version;
  run.heard = Math.max(run.heard, progress.version);
  run.progress = progress;
  // Who took it to go no further, by what others were quicker than, asked for no wake-up.
  if (progress.deadline !== undefined) run.ports.wakeAt(run.runId, progress.deadline);
  for (const each of pending) {
    const event = progress.phase === "going" && each.ifGoing !== undefined ? each.ifGoing : each.event;
    if (event === null || !saysSomething(run, event)) each.onWritten?.(false);
    else takePending(run, { ...each, event });
  }
  goOn(run, wasStopped, run.pending.length === 0 ? progress.takeReady() : []);
}

/** Goes on from what others wrote, with what can be done by now. */
function goOn(run: DrivenRun, wasStopped: boolean, ready: readonly OpenNode[]): void {
  if (!wasStopped && isStopped(run)) tellCalls(run);
  run.undoRests = false;
  askHeldReview(run);
  run.launch(ready);
}
