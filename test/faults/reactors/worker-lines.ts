import type { TransferInput } from "./transfer.ts";

/** What a worker is asked to do; each is asked again, of this one or another, until somebody has answered. */
export type Order =
  | { readonly what: "begin"; readonly key: string; readonly input: TransferInput }
  | { readonly what: "send"; readonly key: string }
  | { readonly what: "cancel" | "undo" | "review"; readonly runId: string };

/** What came of an order. */
export type Done = {
  readonly runId?: string;
  readonly repeated?: boolean;
  readonly ok: boolean;
  readonly reason?: string;
};

/** A process's life: who holds a claim. */
export type Life = string;
export const toLife = (processId: string, epoch: number): Life => `${processId}@${epoch}`;

/** What a worker tells, one JSON line each. */
export type WorkerLine =
  /** It could not start, since the database was away. */
  | readonly ["unopened", string]
  | readonly ["open", processId: string]
  | readonly ["life", Life]
  | readonly ["done", nr: number, Done]
  /** Whether it was done is not known, or it was not and may be later. */
  | readonly ["again", nr: number]
  /** Events of a run that this process wrote: from which version on, and how many. */
  | readonly ["wrote", runId: string, from: number, count: number, Life]
  /** The log has refused what it wanted to write after a version of a run. */
  | readonly ["refused", runId: string, after: number, types: readonly string[], Life]
  /** Something there is no reason for in these tests. */
  | readonly ["complaint", string];
