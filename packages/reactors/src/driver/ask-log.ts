import type { DrivenRun } from "./driven-run.ts";
import { nowOf, wakeFor } from "./driven-run.ts";
import { fail, isOurs } from "./outcomes.ts";

/** When something is asked of the log again that it could not answer, in milliseconds. */
export const askAgainMs = 1_000;

/**
 * Asks something of the log on behalf of a step. A question that could not be answered is asked again when it is due; one during which
 * something was heard of, at once.
 */
export async function askLog(run: DrivenRun, path: string, question: () => Promise<void>): Promise<void> {
  run.active.set(path, { end: () => {}, isQuestion: true });
  try {
    await question();
  } catch (error) {
    const node = run.hasLeft ? undefined : run.progress.open.get(path);
    if (node !== undefined) {
      if (isOurs(error) && error.retryable) wakeFor(run, path, nowOf(run) + askAgainMs);
      else fail(run, node, error);
    }
  } finally {
    run.active.delete(path);
    const node = run.askAgain.delete(path) ? run.progress.open.get(path) : undefined;
    if (node !== undefined) run.launch([node]);
    run.settle();
  }
}
