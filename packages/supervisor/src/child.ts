import type { Context, ErrorOnTheWire } from "@viable/kernel";

/** Something that runs. */
export interface Child {
  /** Settles when the child ends by itself: resolves where that is normal, rejects where it crashed. */
  readonly done: Promise<void>;
  /** Ends new work, finishes what is under way within the context's deadline, and lets go. */
  stop(ctx: Context): Promise<void>;
}

/**
 * When a child that ended is started again, as in Erlang/OTP (https://www.erlang.org/doc/system/sup_princ.html#restart):
 * `permanent` always, `transient` only after a crash, `temporary` never, not even with its siblings.
 */
export type Restart = "permanent" | "transient" | "temporary";

export interface ChildSpec {
  /** Unique among the supervisor's children. */
  readonly id: string;
  readonly restart: Restart;
  /** How long it may take to stop before it is abandoned; default 5,000, as in OTP. */
  readonly stopWithinMs?: number;
  /** How long it may take to start before that counts as a crash; default 60,000: opening a large database takes tens of seconds. */
  readonly startWithinMs?: number;
  /**
   * Starts it; resolves when it is ready to serve. `ctx` is its own: its signal is aborted when the child is killed, abandoned or
   * was stopped, and it has no deadline. Called again for every restart, so it must make everything anew.
   */
  start(ctx: Context): Promise<Child>;
}

/**
 * `starting` · `running` · `waiting`: to be started again, after a pause or after its siblings stopped · `stopping` · `ended`: by
 * itself, and not to be started again · `stopped`: by its supervisor.
 */
export type ChildState = "starting" | "running" | "waiting" | "stopping" | "ended" | "stopped";

/** A child as its supervisor sees it. */
export interface ChildInfo {
  readonly id: string;
  readonly state: ChildState;
  /** How often it was started again. */
  readonly restarts: number;
  readonly lastError: ErrorOnTheWire | undefined;
}
