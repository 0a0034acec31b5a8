import { toWire } from "@viable/kernel";
import type { AgentContext, DelegateOutcome, ErrorOnTheWire, JsonObject, JsonValue } from "viable";

/** How long one delegation may take, and what tells it from an equal one. */
export type DelegateSettings = { readonly key: string; readonly timeoutMs?: number };

/** What went wrong, without its causes: those are kept with the execution. */
export type TaskError = {
  readonly code: string;
  readonly message: string;
  readonly next?: string;
  readonly retryable: boolean;
  readonly details?: JsonObject;
};

/** What came of one delegated task, as answers hold it. */
export type TaskOutcome = {
  readonly status: "completed" | Extract<DelegateOutcome, { ok: false }>["status"];
  /** Where it is recorded; absent where it was refused before that. */
  readonly executionId?: string;
  readonly result?: JsonValue;
  readonly error?: TaskError;
  /** How long this run waited for it; next to nothing for what was recorded before a crash. */
  readonly durationMs: number;
};

/** Delegates a task. Only the end of this task itself is thrown; whatever is wrong with the other is an outcome. */
export async function delegateOnce(
  ctx: AgentContext,
  capability: string,
  args: JsonValue,
  settings: DelegateSettings,
): Promise<TaskOutcome> {
  ctx.signal.throwIfAborted();
  const begunMs = ctx.runtime.clock.monotonicMs();
  const outcome = await ctx.delegate(capability, args, settings).catch((error: unknown): DelegateOutcome => {
    // The deadline is this task's own end, even where the wait for the other notices it before the signal says so.
    if (ctx.signal.aborted || ctx.runtime.clock.now() >= ctx.deadline) throw error;
    // Arguments that no log takes, for one: that is the other's failure, and not that of who runs it.
    return { ok: false, status: "refused", executionId: undefined, error: toWire(error) };
  });
  ctx.signal.throwIfAborted();
  const durationMs = Math.round(ctx.runtime.clock.monotonicMs() - begunMs);
  const where = outcome.executionId === undefined ? {} : { executionId: outcome.executionId };
  return outcome.ok
    ? { status: "completed", ...where, result: outcome.result, durationMs }
    : { status: outcome.status, ...where, error: withoutCause(outcome.error), durationMs };
}

/** The error as answers hold it. */
export function withoutCause({ cause: _, ...error }: ErrorOnTheWire): TaskError {
  return error;
}
