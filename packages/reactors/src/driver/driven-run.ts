import type { Context, ErrorOnTheWire } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { RunEventData } from "@viable/protocol";
import type { ReactorDefinition } from "../definition.ts";
import type { DoTask } from "../do-task.ts";
import type { OpenNode } from "../open-node.ts";
import type { Pools } from "../pools.ts";
import type { Progress } from "../progress.ts";
import type { RunEnding } from "../read-run.ts";
import type { Pending } from "../run-journal.ts";
import type { Thrown } from "../thrown.ts";
import type { StepCall } from "./step-call.ts";

/** Under what the undo stands among what is under way and due: no step's path. */
export const undoKey = "<undo>";

/** What a run needs of those around it. */
export interface RunPorts {
  readonly log: Log;
  readonly pools: Pools;
  readonly doTask: DoTask | undefined;
  /** Whether claims that were made in this epoch of the process still hold. */
  mayGoOn(epoch: number): boolean;
  /** Has the run's driver called at that wall time, in milliseconds; whatever else calls it before. */
  wakeAt(runId: string, atMs: number): void;
  /** What the first event of a composed run holds. Throws `reactor.invalid_input`. */
  startOf(
    definition: ReactorDefinition,
    input: unknown,
    parent: { readonly runId: string; readonly step: string },
  ): RunEventData<"run.started">;
  /** How a run ended; undefined where it has not. */
  outcomeOf(ctx: Context, runId: string): Promise<RunEnding | undefined>;
  /** Tells a composed run to end (`cancel`), or to be undone; the driver hears of it when it has. */
  direct(ctx: Context, runId: string, directive: "cancel" | "undo", reason: string): Promise<void>;
  /** A function of a step threw what may be a defect. */
  onThrown(thrown: Thrown): void;
  /** The run as the log has it, or undefined where its claim is another's by now. */
  reload(ctx: Context, runId: string): Promise<Progress | undefined>;
}

/** What goes on for a step. */
export type Active =
  /** It waits until it is its turn in the run. */
  | { readonly kind: "queued" }
  /** It waits for a place in a pool. */
  | { readonly kind: "waitingForPool"; giveUp(): void }
  /** Functions of it are called. */
  | StepCall
  /** Something is asked of the log: what is heard of meanwhile may have come too late for the answer. */
  | { readonly kind: "asking" };

/** A run as its driver has it: all that the driver's parts share, in one object that they change in place. */
export interface DrivenRun {
  readonly runId: string;
  readonly ctx: Context;
  readonly ports: RunPorts;
  /** That of its claim, which holds as long as the process has that one. */
  readonly epoch: number;
  /** What had no outcome when it was taken from whoever had it, by its path: it may have been begun. */
  readonly leftBehind: ReadonlySet<string>;
  /** The fold of all that was recorded: ahead of what is durable by what is pending. */
  progress: Progress;
  /** It is this driver's no more, or its driver is done: nothing is begun, and nothing recorded. */
  hasLeft: boolean;
  /** What is under way ends, and nothing begins. */
  isHalted: boolean;

  // What is written

  /** Version of the last event that is durable. */
  durable: number;
  /** Version of the last event that was heard of. */
  heard: number;
  pending: Pending[];
  /** Settled when the append that is on its way, and what follows from it, is. */
  writing: Promise<void> | undefined;
  /** Steps about which something is on its way to the log: nothing more is done about them before it is there. */
  readonly unwritten: Set<string>;

  // What goes on

  /** For each step, by its path: a call, a question to the log, a wait for a place. Undo goes by `undoKey`. */
  readonly active: Map<string, Active>;
  /** Paths of steps to be called, when as many are under way as may be. */
  queue: string[];
  /** How many are called, or wait for a place in a pool. */
  calls: number;

  // What goes on in few runs, and is made when it does

  /** When something is to be looked at again, by path: wall time in milliseconds. */
  due: Map<string, number> | undefined;
  /** Steps that nobody knows the outcome of, though it was our doing that they ended, and with what. */
  uncertain: Map<string, ErrorOnTheWire> | undefined;
  /** Questions that are to be asked again, since something was heard of while they were asked. */
  askAgain: Set<string> | undefined;
  /** What else a person is to be asked, by path, when what is asked now was answered. */
  heldReviews: Map<string, RunEventData<"run.needs_review">> | undefined;
  /** The undo goes on when something falls due or is heard of, not before. */
  undoRests: boolean;

  // What its parts ask of the driver

  /** Begins what can be done about these, where something can. */
  launch(nodes: readonly OpenNode[]): void;
  /** Reads what others have written and writes what is pending, where that is not under way. */
  write(): void;
  /** Something may have ended: looks at what that means for the whole. */
  settle(): void;
  /** The claim is another's. */
  lose(reason: string): void;
  /** It cannot go on, for a reason that does not pass. */
  giveUp(error: unknown): void;
}

/** Wall time in milliseconds. */
export const nowOf = (run: DrivenRun): number => run.ctx.runtime.clock.now();

/** Whether it is still this driver's, and its claim holds: a process that was paused must not begin what another one has by now. */
export const mayGoOn = (run: DrivenRun): boolean => !run.hasLeft && run.ports.mayGoOn(run.epoch);

/** Has something looked at again at that wall time, in milliseconds. */
export function wakeFor(run: DrivenRun, path: string, atMs: number): void {
  if (run.due?.get(path) === atMs) return;
  run.due ??= new Map();
  run.due.set(path, atMs);
  run.ports.wakeAt(run.runId, atMs);
}
