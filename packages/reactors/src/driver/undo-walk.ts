import type { Context } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { RunEvent } from "@viable/protocol";
import type { PlanNode } from "../plan.ts";
import { staticPath } from "../plan.ts";
import type { Progress } from "../progress.ts";
import { toRunEvent } from "../read-run.ts";
import { runStream } from "../run-journal.ts";
import { isOwnSuccess } from "../undo-progress.ts";

/** How many events are looked through at once. */
const pageEvents = 200;

/** A success that is to be taken back. */
export interface UndoTarget {
  readonly step: string;
  /** Version of its event. */
  readonly of: number;
  readonly plan: PlanNode;
  readonly args: unknown;
  readonly result: unknown;
  /** Of a composed run, which is undone as a whole. */
  readonly runId: string | undefined;
}

/**
 * The latest success that has something to undo it and was not undone. Read backwards from the log itself, so that a run of a hundred
 * thousand steps is undone in no more memory than one of three, and where it was left off after a crash.
 */
export async function nextToUndo(ctx: Context, log: Log, progress: Progress): Promise<UndoTarget | undefined> {
  for (let below = progress.undo.from; below > 1; ) {
    const { events, isEnd } = await log.readStreamPage(ctx, runStream(progress.runId), {
      direction: "backward",
      fromVersion: below - 1,
      limit: pageEvents,
    });
    for (const stored of events) {
      const target = targetOf(toRunEvent(stored), stored.version, progress);
      if (target !== undefined) return target;
    }
    const last = events.at(-1);
    if (isEnd || last === undefined) return undefined;
    below = last.version;
  }
  return undefined;
}

function targetOf(event: RunEvent, of: number, progress: Progress): UndoTarget | undefined {
  if (event.type !== "step.succeeded") return undefined;
  const { step, args, result = null, runId } = event.data;
  if (!isOwnSuccess(event.data)) return undefined;
  const plan = progress.plan.nodes.get(staticPath(step));
  if (plan === undefined) return undefined;
  const undoesChild = runId !== undefined && plan.node.kind === "compose" && plan.node.undo;
  if (plan.functions.undo === undefined && !undoesChild) return undefined;
  return { step, of, plan, args, result, runId: undoesChild ? runId : undefined };
}
