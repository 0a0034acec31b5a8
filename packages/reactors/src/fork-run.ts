import type { JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { RunEvent } from "@viable/protocol";
import type { OriginalRun } from "./original-run.ts";
import { fromOn } from "./plan.ts";

/** Outcomes that a fork may take over, and what it begins with in all: below what one append may carry. */
const maxForked = { events: 1_900, chars: 7 * 1024 * 1024 };
/** What an event takes beside its data, in characters. */
const envelopeChars = 100;

/** `reactor.not_forkable`: the run cannot be forked there. */
const notForkable = (runId: string, reason: string, next: string): ViableError =>
  new ViableError("reactor.not_forkable", `The run ${runId} cannot be forked there: ${reason}.`, { next });

/**
 * What a run begins with that repeats another from one of its outermost steps on: the outcomes of all steps that do not come after that
 * one. They are taken as they were, also where they would come out otherwise with another input, and are not undone with the fork. What
 * they had taken of awaited events, and what was sent before that, the fork does not take. Throws `reactor.not_forkable` where one of
 * them has no outcome, or was undone.
 */
export function forkedOutcomes({ progress, undone, took }: OriginalRun, from: string): readonly RunEvent[] {
  const { root, plan, runId } = progress;
  const anew = fromOn(plan.root, from);
  if (anew === undefined || root === undefined)
    throw notForkable(
      runId,
      `"${from}" is none of its outermost steps`,
      `Name one of: ${[...plan.root.byName.keys()].join(", ")}.`,
    );
  const kept: RunEvent[] = [];
  const missing = plan.root.nodes.map(({ waitsFor }) => waitsFor);
  const ready = plan.root.nodes.filter(({ waitsFor }) => waitsFor === 0);
  for (const node of ready) {
    if (anew.has(node.index)) continue;
    const result = root.results[node.index];
    const { path } = node;
    const problem = result === undefined ? "has no outcome" : undone.has(path) ? "was undone" : undefined;
    if (problem !== undefined)
      throw notForkable(
        runId,
        `"${path}" stands before it, and ${problem}`,
        "Fork from that step, or from one before it.",
      );
    const taken = took.get(path);
    kept.push({
      type: "step.succeeded",
      data: {
        step: path,
        by: "fork",
        ...(result !== null && { result: result as JsonValue }),
        ...(taken !== undefined && { took: [...taken] }),
      },
    });
    for (const index of node.dependents) {
      missing[index] = (missing[index] as number) - 1;
      const dependent = plan.root.nodes[index];
      if (missing[index] === 0 && dependent !== undefined) ready.push(dependent);
    }
  }
  return kept;
}

/** Refuses what does not fit the one append that a fork begins with, or could be found half begun: its start, and what it takes over. */
export function checkForkSize(
  runId: string,
  [started, ...kept]: readonly [RunEvent, ...RunEvent[]],
  { events: maxEvents, chars: maxChars } = maxForked,
): void {
  const charsOf = ({ data }: RunEvent) => JSON.stringify(data).length + envelopeChars;
  const chars = kept.reduce((sum, event) => sum + charsOf(event), charsOf(started));
  if (kept.length <= maxEvents && chars <= maxChars) return;
  throw notForkable(
    runId,
    `its input and what it takes over, ${kept.length} outcomes, ${chars} characters in all, is more than ${maxEvents} or ${maxChars}`,
    "Fork from an earlier step, or with a smaller input.",
  );
}
