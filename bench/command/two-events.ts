/** One of the two events that a command costs, as a run of ours wrote it: what the limit writes for its own commands. */
export interface EventSample {
  readonly streamPrefix: string;
  readonly type: string;
  /** JSON text. */
  readonly data: string;
  /** JSON text. */
  readonly metadata: string;
  readonly tenant: string;
  readonly session: string | null;
  readonly correlated: boolean;
}
