import type { Posting } from "./transfer.ts";

/** What a step of a run asks of the sink. */
export interface SinkRequest {
  readonly nr: number;
  /** See `Bank` in `transfer.ts`. */
  readonly op: "post" | "undo" | "void" | "once" | "find";
  /** The step's key in its run: the same for every try. */
  readonly key: string;
  readonly run: string;
  readonly step: string;
  readonly postings: readonly Posting[];
  /** The life of the process that asks, as `processId@epoch`, and which claim of the run it works under: later ones are higher. */
  readonly by: string;
  readonly claim: number;
}

/**
 * What came of it. `done`: it was done just now. `repeated`: it had been. `nothing`: there was nothing to take back, or to find.
 * `refused`: it was voided, or a later claim has asked since. `defect`: what was never done is to be undone.
 */
export type SinkOutcome = "done" | "repeated" | "nothing" | "refused" | "defect";

export interface SinkAnswer {
  readonly nr: number;
  readonly outcome: SinkOutcome;
}

/** A call as the sink's file keeps it, in the order in which they were decided. */
export interface SinkCall extends Omit<SinkRequest, "nr"> {
  readonly outcome: SinkOutcome;
}
