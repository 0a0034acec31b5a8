import type { Runtime } from "@viable/kernel";

/** What a step's function is handed, first. */
export interface StepContext {
  readonly runId: string;
  readonly reactor: string;
  /** Its path in the run: `pay`, or `ship[3]/label` in the fourth element of a map. */
  readonly step: string;
  /** 1 for the first try. Tries of before a crash count. */
  readonly attempt: number;
  /**
   * The same for every try of this step in this run, and for no other step or run: hand it to whoever does the outside effect, so that
   * it is done once.
   */
  readonly idempotencyKey: string;
  /**
   * Rises each time another process takes the run over. A process that was stopped may go on, long after, with what it was about to do: whoever
   * does the effect, or answers whether it was done, can refuse a number lower than one it has seen for this key.
   */
  readonly fencingToken: number;
  readonly tenant: string;
  /** In whose name the run was started. */
  readonly principal: string;
  readonly traceparent: string | undefined;
  /** Aborts when the run is cancelled, the step's time is up, or the process stops or has lost the run. Honour it in every wait. */
  readonly signal: AbortSignal;
  readonly runtime: Runtime;
}
