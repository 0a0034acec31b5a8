import type { Context, Part } from "@viable/kernel";
import type { Child, ChildInfo, ChildSpec } from "./child.ts";
import type { SupervisorEvent } from "./events.ts";

/**
 * Which children are started again when one of them must be, as in Erlang/OTP
 * (https://www.erlang.org/doc/system/sup_princ.html#restart-strategy). `one-for-one`: only it. `one-for-all`: all of them, since they
 * cannot work without each other. `rest-for-one`: it and those started after it, since they build on it.
 */
export type Strategy = "one-for-one" | "one-for-all" | "rest-for-one";

/**
 * How many restarts are too many (https://www.erlang.org/doc/system/sup_princ.html#maximum-restart-intensity). A restart that takes
 * several children along counts once.
 */
export interface Intensity {
  readonly maxRestarts: number;
  readonly withinMs: number;
}

/** The pause before a restart: exponential with full jitter, from `baseMs` up to `maxMs`. How many there are, intensity decides. */
export interface RestartPause {
  readonly baseMs: number;
  readonly maxMs: number;
}

export interface SuperviseOptions {
  readonly name: string;
  readonly strategy: Strategy;
  /** Default 5 restarts in 10 s: a passing fault is outlived, a lasting one is reported within seconds. */
  readonly intensity?: Intensity;
  /**
   * Default 50 ms to 1 s. Keep `maxMs` well under `intensity.withinMs / intensity.maxRestarts`, or a child that always crashes
   * will be restarted for ever instead of escalating.
   */
  readonly backoff?: RestartPause;
  /** In the order in which they start; later ones may build on earlier ones. */
  readonly children: readonly ChildSpec[];
  readonly onEvent?: (event: SupervisorEvent) => void;
}

/**
 * Starts children, keeps them running, and stops them. It lives once: started, stopped or given up, never started again; a parent's
 * child spec makes a new one at every start.
 *
 * Promised: children start in order, one after the other, and stop in reverse order; a child is started again only after its
 * last life let go or was abandoned; a child that was stopped, killed or abandoned has its signal aborted; every wait for a child is
 * bounded; more restarts than the intensity allows stop all children and reject `done`.
 *
 * Not promised: that an abandoned child does nothing any more. Nothing in this process can end code that ignores its signal; what it
 * writes must be fenced where it arrives. What crashes the whole process is the operating system's to restart.
 */
export interface Supervisor extends Part, Child {
  readonly name: string;
  /**
   * Starts the children in order. Where one fails, those before it are stopped in reverse order, and `supervisor.start_failed` is
   * thrown. The context's deadline is for starting; its signal is for the whole life: when it is aborted, all children are killed.
   */
  start(ctx: Context): Promise<void>;
  /** Stops the children in reverse order, each for at most its `stopWithinMs`; then it is abandoned and the next one stopped. */
  stop(ctx: Context): Promise<void>;
  /**
   * Resolves when it was stopped. Rejects with `supervisor.intensity_exceeded` when it gave up, and with `supervisor.killed` when the
   * context it was started in was aborted. Need not be listened to.
   */
  readonly done: Promise<void>;
  /**
   * Ends a child as a crash would: its signal is aborted, and it is restarted by its kind and the strategy. Where it does not end
   * within its `stopWithinMs`, it is asked to stop, and then abandoned. False where there is nothing running to kill.
   */
  kill(childId: string, reason: string): boolean;
  /** In the order in which they start. Temporary children that ended are forgotten. */
  children(): readonly ChildInfo[];
  child(childId: string): ChildInfo | undefined;
  /**
   * Starts a further child, as the last. Where it does not start, it is forgotten, and `supervisor.start_failed` is thrown. The context
   * is for starting: when it ends before the child runs, the child has not started.
   */
  add(ctx: Context, spec: ChildSpec): Promise<void>;
  /** Stops a child, within its `stopWithinMs`, and forgets it. False where there is none of that id. */
  remove(ctx: Context, childId: string): Promise<boolean>;
}
