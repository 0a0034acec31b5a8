import { ViableError } from "@viable/kernel";

/** `supervisor.start_failed`: a child did not start. Those before it were stopped again. */
export const startFailed = (name: string, child: string, cause: unknown): ViableError =>
  new ViableError("supervisor.start_failed", `"${child}" of "${name}" did not start.`, {
    next: "The cause says why.",
    details: { supervisor: name, child },
    cause,
  });

/** `supervisor.start_timeout`: a child took longer to start than it may. Its signal was aborted. */
export const startTimeout = (child: string, startWithinMs: number): ViableError =>
  new ViableError("supervisor.start_timeout", `"${child}" was not ready after ${startWithinMs} ms.`, {
    retryable: true,
    next: "Find out what it waits for, or give it more by startWithinMs.",
  });

/** `supervisor.intensity_exceeded`: children crashed more often than allowed. All were stopped; the parent decides what next. */
export const intensityExceeded = (name: string, maxRestarts: number, withinMs: number, cause: unknown): ViableError =>
  new ViableError(
    "supervisor.intensity_exceeded",
    `"${name}" gave up: more than ${maxRestarts} restarts within ${withinMs} ms.`,
    {
      retryable: true,
      next: "The cause is the last crash. Where restarting cannot mend it, what is under it must be mended.",
      details: { supervisor: name, maxRestarts, withinMs },
      cause,
    },
  );

/** `supervisor.killed`: a child was ended on purpose, as if it had crashed. */
export const killed = (child: string, reason: string): ViableError =>
  new ViableError("supervisor.killed", `"${child}" was killed: ${reason}.`, {
    retryable: true,
    next: "Nothing: its supervisor restarts it as after a crash.",
    details: { child, reason },
  });

/** `supervisor.not_running`: the supervisor was stopped, gave up, or was not started. */
export const notRunning = (name: string): ViableError =>
  new ViableError("supervisor.not_running", `"${name}" is not running.`, {
    next: "A supervisor lives once: make a new one and start it.",
  });

/** `supervisor.duplicate_child`: there is a child of that id. */
export const duplicateChild = (name: string, child: string): ViableError =>
  new ViableError("supervisor.duplicate_child", `"${name}" has a child "${child}" already.`, {
    next: "Give each child an id of its own, or remove the first.",
  });
