import type { Context, ErrorOnTheWire, JsonValue } from "@viable/kernel";
import type { ExecutionState } from "./execution.ts";

/** What came of a reactor's run that a task had do its work. */
export type TaskRunOutcome =
  | { readonly ok: true; readonly runId: string; readonly result: JsonValue }
  | {
      readonly ok: false;
      /** `refused` where no run began; `compensated` where it was undone. */
      readonly status: "refused" | "failed" | "compensated" | "cancelled";
      readonly runId: string | undefined;
      readonly error: ErrorOnTheWire;
    };

/** Has a run of a reactor do a task's work, and waits for its end. `key` tells several runs of one task apart. */
export type CarryOutRun = (
  ctx: Context,
  parent: ExecutionState,
  reactor: string,
  input: JsonValue,
  key: string,
) => Promise<TaskRunOutcome>;
