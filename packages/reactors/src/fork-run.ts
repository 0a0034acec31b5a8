import type { JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { RunEvent } from "@viable/protocol";
import type { Progress } from "./progress.ts";

/** `reactor.not_forkable`: the run cannot be forked there. */
const notForkable = (runId: string, reason: string, next: string): ViableError =>
  new ViableError("reactor.not_forkable", `The run ${runId} cannot be forked there: ${reason}.`, { next });

/**
 * What a run begins with that repeats another from one of its outermost steps on: the outcomes of all steps that do not come after that
 * one. They are taken as they were, also where they would come out otherwise with another input, and are not undone with the fork.
 */
export function forkedOutcomes(original: Progress, from: string): readonly RunEvent[] {
  const { root, plan, runId } = original;
  const first = plan.root.byName.get(from);
  if (first === undefined || root === undefined)
    throw notForkable(
      runId,
      `"${from}" is none of its outermost steps`,
      `Name one of: ${[...plan.root.byName.keys()].join(", ")}.`,
    );
  const anew = new Set([first.index]);
  // A set is gone through with what is added to it meanwhile.
  for (const index of anew) for (const dependent of plan.root.nodes[index]?.dependents ?? []) anew.add(dependent);
  const kept: RunEvent[] = [];
  const missing = plan.root.nodes.map(({ waitsFor }) => waitsFor);
  const ready = plan.root.nodes.filter(({ waitsFor }) => waitsFor === 0).map(({ index }) => index);
  for (const index of ready) {
    if (anew.has(index)) continue;
    const node = plan.root.nodes[index];
    const result = root.results[index];
    if (node === undefined || result === undefined)
      throw notForkable(
        runId,
        `"${node?.path}" stands before it, and has no outcome`,
        "Fork from that step, or from one before it.",
      );
    kept.push({
      type: "step.succeeded",
      data: { step: node.path, by: "fork", ...(result !== null && { result: result as JsonValue }) },
    });
    for (const dependent of node.dependents) {
      missing[dependent] = (missing[dependent] as number) - 1;
      if (missing[dependent] === 0) ready.push(dependent);
    }
  }
  return kept;
}

/** Refuses what does not fit the one append that a run begins with, or could be found half begun. */
export function checkForkSize(runId: string, kept: readonly RunEvent[], maxEvents: number, maxChars: number): void {
  const chars = kept.reduce((sum, event) => sum + JSON.stringify(event.data).length + 100, 0);
  if (kept.length <= maxEvents && chars <= maxChars) return;
  throw notForkable(
    runId,
    `what it takes over, ${kept.length} outcomes of ${chars} characters, is more than ${maxEvents} or ${maxChars}`,
    "Fork from an earlier step.",
  );
}
