import type { Context } from "@viable/kernel";

/** A task for an agent, as whoever finds one is asked. */
export interface TaskRequest {
  readonly runId: string;
  readonly step: string;
  readonly attempt: number;
  readonly capability: string;
  readonly args: unknown;
  readonly timeoutMs: number;
  /** The same for every try after a crash: the outcome that was recorded under it is the answer. */
  readonly key: string;
}

/** Has a task done. Rejects with what it failed with; that it can be found again under its key is its promise. */
export type DoTask = (ctx: Context, request: TaskRequest) => Promise<unknown>;
