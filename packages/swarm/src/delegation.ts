import type { ErrorOnTheWire, JsonValue } from "@viable/kernel";

export interface DelegateOptions {
  /** Tells apart two calls with the same capability and arguments that must both be executed. */
  readonly key?: string;
  /** Shortens the deadline; it can never lengthen it. */
  readonly timeoutMs?: number;
  /** The one service that may do it, whatever the others offer. For whoever compares services; everybody else asks by capability. */
  readonly service?: string;
  /** With `service`, the one process that may: for what concerns that process itself, such as its own swarms. */
  readonly process?: string;
}

/** What came of a delegated task. */
export type DelegateOutcome =
  | { readonly ok: true; readonly executionId: string; readonly result: JsonValue }
  | {
      readonly ok: false;
      /** `refused` before anything was recorded (no swarm offers it, denied, overloaded); the others are recorded outcomes. */
      readonly status: "refused" | "failed" | "cancelled" | "timed_out";
      readonly executionId: string | undefined;
      readonly error: ErrorOnTheWire;
    };
