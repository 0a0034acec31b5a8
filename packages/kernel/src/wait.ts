import type { Context } from "./context.ts";
import { canBeCancelled, canEnd, throwIfDone } from "./context.ts";
import { ViableError } from "./errors.ts";

/** Waits `ms`. Ends early, with `context.cancelled` or `context.deadline_exceeded`, when the context does. */
export function sleep(ctx: Context, ms: number): Promise<void> {
  return untilSettled(ctx, (resolve) => {
    const timer = ctx.runtime.clock.setTimer(resolve, ms);
    return () => timer.cancel();
  });
}

/**
 * Waits for a promise, but no longer than the context lasts. The promise itself is not stopped by this: what becomes of it later,
 * its failure too, is nobody's business then. Costs nothing in a context that cannot end.
 */
export function waitFor<T>(ctx: Context, promise: PromiseLike<T>): Promise<T> {
  if (!canEnd(ctx)) return Promise.resolve(promise);
  let begun = false;
  const waited = untilSettled<T>(ctx, (resolve, reject) => {
    begun = true;
    promise.then(resolve, reject);
    return () => {};
  });
  if (!begun) promise.then(undefined, () => {});
  return waited;
}

/**
 * A promise that is settled by `start`, by the context's signal or by its deadline, whichever comes first. `start` returns
 * how to let go of what it began; that is called exactly once, however the wait ends.
 */
export function untilSettled<T = void>(
  ctx: Context,
  start: (resolve: (value: T) => void, reject: (reason: unknown) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    throwIfDone(ctx);
    // One signal serves all contexts that have none of their own: it would lead from each wait that is over to all that came after it.
    const signal = canBeCancelled(ctx) ? ctx.signal : undefined;
    let settled = false;
    let release: () => void = () => {};
    const settle = (act: () => void) => {
      if (settled) return;
      settled = true;
      release();
      deadline?.cancel();
      signal?.removeEventListener("abort", aborted);
      act();
    };
    const aborted = () =>
      settle(() => reject(new ViableError("context.cancelled", "The caller cancelled.", { cause: ctx.signal.reason })));
    const deadline =
      ctx.deadline === undefined
        ? undefined
        : ctx.runtime.clock.setTimer(
            () => settle(() => reject(new ViableError("context.deadline_exceeded", "The deadline passed."))),
            ctx.deadline - ctx.runtime.clock.now(),
            { background: true },
          );
    signal?.addEventListener("abort", aborted, { once: true });
    let letGo: () => void;
    try {
      letGo = start(
        (value) => settle(() => resolve(value)),
        (reason) => settle(() => reject(reason)),
      );
    } catch (error) {
      settle(() => reject(error));
      return;
    }
    // `start` may have settled at once, before there was anything to release.
    if (settled) letGo();
    else release = letGo;
  });
}
