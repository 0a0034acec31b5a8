import type { Context, ErrorOnTheWire } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { RunEventData } from "@viable/protocol";
import type { ReactorDefinition } from "../definition.ts";
import type { DoTask } from "../do-task.ts";
import type { Pools } from "../pools.ts";
import type { OpenNode, Progress } from "../progress.ts";
import type { RunEnding } from "../read-run.ts";
import type { Pending } from "../run-journal.ts";

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
  /** The run as the log has it, or undefined where its claim is another's by now. */
  reload(ctx: Context, runId: string): Promise<Progress | undefined>;
}

/** Something that goes on for a step. */
export interface Active {
  end(reason: unknown): void;
  /** Asks it to come to an end, where it can be asked. */
  tell?(reason: unknown): void;
  /** It waits for a place, and its function has not been called. */
  readonly isQueued?: true;
  /** Something is asked of the log: what is heard of meanwhile may have come too late for the answer. */
  readonly isQuestion?: true;
}

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
  /** When something is to be looked at again, by path: wall time in milliseconds. */
  readonly due: Map<string, number>;
  /** Steps to be called, when as many are under way as may be. */
  readonly queue: OpenNode[];
  calls: number;
  /** Steps that nobody knows the outcome of, though it was our doing that they ended, and with what. */
  readonly uncertain: Map<string, ErrorOnTheWire>;
  /** Questions that are to be asked again, since something was heard of while they were asked. */
  readonly askAgain: Set<string>;
  /** The undo goes on when something falls due or is heard of, not before. */
  undoRests: boolean;

  // What its parts ask of the driver

  /** Begins what can be done about these, where something can. */
  launch(nodes: readonly OpenNode[]): void;
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
  if (run.due.get(path) === atMs) return;
  run.due.set(path, atMs);
  run.ports.wakeAt(run.runId, atMs);
}

/** What has no outcome any more is done about though the run goes no further: it failed, or it may have happened, and would stay as it is. */
export function isToClear(run: DrivenRun, node: OpenNode): boolean {
  const { todo, begun, isWanted } = node;
  return todo === "compensate" || todo === "accept" || begun !== undefined || isWanted || mayStay(run, node);
}

/** Whether somebody else may have done it, and it would stay: done again, which comes to the same, it has an outcome that can be undone. */
export function mayStay({ leftBehind }: DrivenRun, { path, todo, mayHaveBegun, plan, wait }: OpenNode): boolean {
  const { undo, compensate } = plan.functions;
  const wasLeft = leftBehind.has(path) && mayHaveBegun && todo === "run" && wait === undefined;
  return wasLeft && plan.node.kind === "step" && (undo !== undefined || compensate !== undefined);
}
