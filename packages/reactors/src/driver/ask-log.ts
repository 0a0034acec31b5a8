import { mayPass } from "@viable/log";
import type { OpenNode } from "../open-node.ts";
import type { DrivenRun } from "./driven-run.ts";
import { nowOf, wakeFor } from "./driven-run.ts";
import { fail } from "./outcomes.ts";

/** When something is asked of the log again that it could not answer, in milliseconds. */
export const askAgainMs = 1_000;

/**
 * Asks something of the log on behalf of a step, and takes the answer. A question that could not be answered is asked again when it is due;
 * one during which something was heard of, at once. What throws as the answer is taken, as a user's function may, fails the step.
 */
export async function askLog<T>(
  run: DrivenRun,
  { path }: OpenNode,
  question: () => Promise<T>,
  take: (answer: T) => void,
): Promise<void> {
  run.active.set(path, { kind: "asking" });
  let isAnswered = false;
  try {
    const answer = await question();
    isAnswered = true;
    if (!run.hasLeft && run.progress.open.has(path)) take(answer);
  } catch (error) {
    const node = run.hasLeft ? undefined : run.progress.open.get(path);
    if (node !== undefined) {
      if (!isAnswered && mayPass(error)) wakeFor(run, path, nowOf(run) + askAgainMs);
      else fail(run, node, error);
    }
  } finally {
    run.active.delete(path);
    const node = run.askAgain?.delete(path) ? run.progress.open.get(path) : undefined;
    if (node !== undefined) run.launch([node]);
    run.settle();
  }
}

/** What is asked about a step may be out of date by now: it is asked again, as soon as it is answered. */
export function askAgain(run: DrivenRun, path: string): void {
  run.askAgain ??= new Set();
  run.askAgain.add(path);
}
