import type { ErrorOnTheWire } from "@viable/kernel";
import type { ReviewDuring, StepWait } from "@viable/protocol";
import type { OpenScope } from "./open-scope.ts";
import type { PlanNode } from "./plan.ts";

/**
 * What is to be done about a node: call its function, choose its branch, ask whether its repeat goes on, call its compensation, or take
 * what a person said for its result.
 */
export type Todo = "run" | "choose" | "turn" | "compensate" | "accept";

/** A step of a run that has begun, or can, and has no outcome yet. */
export interface OpenNode {
  readonly path: string;
  readonly plan: PlanNode;
  readonly scope: OpenScope;
  todo: Todo | undefined;
  /** Whether it could begin before anything had failed: then it may have, whoever had the run then. */
  readonly mayHaveBegun: boolean;
  /** How often it was tried. */
  attempt: number;
  /** Wall time in milliseconds before which it is not tried again. */
  retryAt: number | undefined;
  error: ErrorOnTheWire | undefined;
  /** That it began was recorded, and no outcome: whether it happened is not known, unless it is under way here. */
  begun: ReviewDuring | undefined;
  wait: StepWait | undefined;
  map: OpenMap | undefined;
  /** What a person said it came to. */
  accepted: unknown;
  /** It was called in this run, or may have been, and failed or has no outcome: its guard may find what that did. */
  hasRun: boolean;
  /** A person wants it done, also where the run goes no further. Once it begins or fails they have had what they wanted. */
  isWanted: boolean;
  /** Of a repeat: its turn, from 0, and what the last one came to. */
  turn: number;
  last: unknown;
}

/** Of a map: its elements, and how far they are. */
export interface OpenMap {
  readonly elements: readonly unknown[];
  /** Elements are being opened: what ends meanwhile is counted, and opens no others itself. */
  isOpening: boolean;
  next: number;
  done: number;
  readonly outputs: unknown[] | undefined;
}

/** A step whose turn has come, and of which nothing has happened. */
export const openNode = (scope: OpenScope, plan: PlanNode, mayHaveBegun: boolean): OpenNode => ({
  path: scope.prefix + plan.node.name,
  plan,
  scope,
  todo: undefined,
  mayHaveBegun,
  attempt: 0,
  retryAt: undefined,
  error: undefined,
  begun: undefined,
  wait: undefined,
  map: undefined,
  accepted: undefined,
  hasRun: false,
  isWanted: false,
  turn: 0,
  last: undefined,
});
