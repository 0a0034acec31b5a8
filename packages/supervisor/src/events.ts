import type { ErrorOnTheWire } from "@viable/kernel";

/** What happens in a supervisor, as plain values, for logs, metrics and pain signals. */
export type SupervisorEvent = { readonly supervisor: string /** Wall time. */; readonly atMs: number } & (
  | { readonly type: "started"; readonly child: string }
  /** It crashed, was killed, or did not start. `restarts` says whether it is to be started again. */
  | { readonly type: "crashed"; readonly child: string; readonly error: ErrorOnTheWire; readonly restarts: boolean }
  /** It ended by itself, normally. */
  | { readonly type: "ended"; readonly child: string; readonly restarts: boolean }
  /** It runs again, for the `restarts`th time. */
  | { readonly type: "restarted"; readonly child: string; readonly restarts: number }
  | { readonly type: "stopped"; readonly child: string }
  /** It did not stop in time. It may still be running. */
  | { readonly type: "abandoned"; readonly child: string; readonly afterMs: number }
  /** More restarts than allowed: all children are stopped, and the parent is told. */
  | { readonly type: "gave_up"; readonly error: ErrorOnTheWire }
);
