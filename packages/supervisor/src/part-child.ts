import type { Context, Part } from "@viable/kernel";
import type { ChildSpec } from "./child.ts";

/**
 * A part as a child: `make` is called for every start, so that a restart begins anew. A part has no end of its own, so it is
 * restarted only when it is killed, or with its siblings.
 *
 * A part that is killed is stopped in its own, aborted context: it lets go of what it holds here, and waits for nothing.
 */
export function partChild(
  id: string,
  make: () => Part,
  options: Partial<Pick<ChildSpec, "restart" | "stopWithinMs" | "startWithinMs">> = {},
): ChildSpec {
  return {
    restart: "permanent",
    ...options,
    id,
    async start(ctx) {
      const part = make();
      await part.start(ctx);
      const ended = Promise.withResolvers<void>();
      const stop = (stopCtx: Context) =>
        part.stop(stopCtx).then(ended.resolve, (error) => {
          ended.reject(error);
          throw error;
        });
      // Also aborted after an ordinary stop, when stopping again is safe and does nothing.
      ctx.signal.addEventListener("abort", () => stop(ctx).catch(() => {}), { once: true });
      return { done: ended.promise, stop };
    },
  };
}
