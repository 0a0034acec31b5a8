import type { Context } from "@viable/kernel";
import type { RunEvent, RunEventData } from "@viable/protocol";
import type { Progress } from "./progress.ts";
import type { RunSource } from "./read-progress.ts";
import { readProgress } from "./read-progress.ts";

/** How far the stream of an awaited event and key was taken. */
export type Took = NonNullable<RunEventData<"step.succeeded">["took"]>[number];

/** A run that is to be forked: what its state does not keep, since nobody else asks for it, by the names of its outermost steps. */
export interface OriginalRun {
  readonly progress: Progress;
  /** Those of which something was undone. */
  readonly undone: ReadonlySet<string>;
  /** What was taken of awaited events, the last of each event and key. */
  readonly took: ReadonlyMap<string, readonly Took[]>;
}

/** Reads a run that is to be forked; undefined where there is none, or its definition is not here. */
export async function readOriginal(ctx: Context, source: RunSource, runId: string): Promise<OriginalRun | undefined> {
  const notes = new OriginalNotes();
  const progress = await readProgress(ctx, source, runId, (progress, event) => notes.note(progress, event));
  return progress && notes.of(progress);
}

/** What a fork needs to know of a run's events beyond their fold. */
export class OriginalNotes {
  readonly #undone = new Set<string>();
  readonly #took = new Map<string, Map<string, Took>>();

  /** Takes note of an event that the progress has not taken into account yet. */
  note({ open, review }: Progress, event: RunEvent): void {
    switch (event.type) {
      case "step.undone":
        this.#undone.add(outermost(event.data.step));
        return;
      case "run.reviewed":
        if (review?.during === "undo" && event.data.decision === "done") this.#undone.add(outermost(review.step));
        return;
      case "step.succeeded": {
        const { step, consumed, took = [] } = event.data;
        const wait = open.get(step)?.wait;
        if (consumed !== undefined && wait?.for === "event")
          this.#noteTook(step, { event: wait.event, key: wait.key, version: consumed });
        for (const each of took) this.#noteTook(step, each);
        return;
      }
    }
  }

  of(progress: Progress): OriginalRun {
    const took = new Map([...this.#took].map(([step, byName]) => [step, [...byName.values()]]));
    return { progress, undone: this.#undone, took };
  }

  #noteTook(step: string, took: Took): void {
    const name = outermost(step);
    const known = this.#took.get(name) ?? new Map<string, Took>();
    this.#took.set(name, known);
    // A run takes the events of a key in their order.
    known.set(JSON.stringify([took.event, took.key]), took);
  }
}

/** The outermost step that a step stands in: `ship` of `ship[3]/label`. */
function outermost(path: string): string {
  const end = path.search(/[/[:]/);
  return end < 0 ? path : path.slice(0, end);
}
