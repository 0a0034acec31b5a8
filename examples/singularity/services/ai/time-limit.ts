import type { AgentContext } from "viable";
import { ViableError } from "viable";

/** What waiting for somebody outside needs of an agent's context. */
export type Waiting = Pick<AgentContext, "signal" | "runtime">;

/**
 * Runs something that ends when its signal does, for so long at most. Throws `ai.timeout` when the time is over, and what the
 * task was stopped with when it was stopped.
 */
export async function withTimeLimit<T>(
  ctx: Waiting,
  limitMs: number,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  ctx.signal.throwIfAborted();
  const limit = new AbortController();
  const timer = ctx.runtime.clock.setTimer(() => limit.abort(), limitMs, { background: true });
  try {
    return await run(AbortSignal.any([ctx.signal, limit.signal]));
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (!limit.signal.aborted) throw error;
    throw new ViableError("ai.timeout", `No answer within ${limitMs / 1_000} seconds.`, { retryable: true });
  } finally {
    timer.cancel();
  }
}
