import type { Context } from "./context.ts";

/**
 * Something that runs until it is told to stop.
 *
 * `start` resolves when the part is ready to serve, and rejects (having let go of everything) when it cannot be. `stop` ends
 * new work, waits for what is under way within the context's deadline, and lets go; calling it twice, or before `start`, is
 * safe. What is still running at the deadline is abandoned, not waited for.
 */
export interface Part {
  start(ctx: Context): Promise<void>;
  stop(ctx: Context): Promise<void>;
}
