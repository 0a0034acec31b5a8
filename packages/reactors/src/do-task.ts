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

/** What a task comes to where its process stops before anything was asked for: nothing is recorded, and its run goes on with it elsewhere. */
export const taskGivenBack: unique symbol = Symbol("taskGivenBack");

/**
 * Has a task done. Rejects with what it failed with; that it can be found again under its key is its promise. `taskGivenBack` is for a
 * process that stops alone: a run that is carried on here would not ask again.
 */
export type DoTask = (ctx: Context, request: TaskRequest) => Promise<unknown>;
