import type { Context } from "@viable/kernel";
import type { AppendRequest, Log } from "@viable/log";

/** The command that began a run, and its session. */
export interface RunCause {
  readonly executionId: string;
  readonly session: string | undefined;
}

/**
 * Notes with the first event of a run which command it follows from: in whose authority the run acts is then in the log with it, and
 * cannot come to be without it. The run's room appends that event in the very context that `begin` is called in, by which it is known here.
 */
export function createRunCauses(log: Log): {
  /** The log as the room of runs gets it. */
  readonly log: Log;
  /** Begins what is begun in this context in the name of a command. */
  begunBy(ctx: Context, cause: RunCause): Context;
} {
  const causes = new WeakMap<Context, RunCause>();
  const append: Log["append"] = (ctx, request) => {
    const cause = causes.get(ctx);
    return log.append(ctx, cause === undefined ? request : withCause(request, cause));
  };
  return {
    log: Object.create(log, { append: { value: append } }) as Log,
    begunBy(ctx, cause) {
      causes.set(ctx, cause);
      return ctx;
    },
  };
}

const withCause = (request: AppendRequest, { executionId, session }: RunCause): AppendRequest => ({
  ...request,
  streams: (request.streams ?? []).map((write) => ({ ...write, session, causation: executionId })),
});
