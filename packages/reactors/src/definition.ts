import type { Backoff } from "@viable/kernel";
import type { z } from "zod";
import type { Argument } from "./argument.ts";

/**
 * A reactor as data: frozen, introspectable, written out by `toJson` and drawn by `toMermaid`. Functions stand in it by name. `Given` is what
 * a run is begun with, before the input schema has made of it what steps see; `Output` what a run comes to.
 */
export interface ReactorDefinition<Given = unknown, Output = unknown> {
  readonly kind: "reactor";
  readonly name: string;
  readonly description: string;
  readonly version: number;
  /** Judges what a run is begun with. */
  readonly input: z.ZodType<unknown, Given>;
  readonly graph: ScopeDefinition;
  /** Whether a run that succeeded may be undone later. */
  readonly reversible: boolean;
  /** How many of its steps run at the same time. */
  readonly maxConcurrency: number;
  /** How long a run may take in all, in milliseconds, before it is undone; undefined where it may take for ever. */
  readonly timeoutMs: number | undefined;
  /**
   * Of its name, version, graph, whether it is reversible, and its children: 16 characters. Not in it: what is said for people, how long
   * anything may take, how often it is tried, in which order steps are said, how many run at once (but for elements of a map) and what
   * functions do. A run keeps to the definition that has the hash it began with.
   */
  readonly hash: string;
  readonly functions: ReadonlyMap<string, StepFunction>;
  /** Definitions of the reactors it composes, by name. */
  readonly children: ReadonlyMap<string, ReactorDefinition>;
  /** @internal Carries the type of its result. */
  readonly output?: Output;
}

// biome-ignore lint/suspicious/noExplicitAny: what a function takes is known where it is attached, and to nobody who calls it by name.
export type StepFunction = (...args: any[]) => unknown;

/** Steps that see each other: of the reactor, of a map's element, of a branch, of a turn. */
export interface ScopeDefinition {
  readonly nodes: readonly NodeDefinition[];
  /** What it comes to. */
  readonly returns: Argument;
}

interface NodeBase {
  /** Unique among those it sees: small letters, digits, `-` and `_`. */
  readonly name: string;
  /** What it is called with; an object. */
  readonly args: Argument;
  /** Further steps of its scope that must be done before it. */
  readonly after: readonly string[];
  readonly description?: string;
}

/** How a failing function is tried again: see `Backoff`, and which failures are worth it. */
export interface Retry extends Backoff {
  /** `retryable`: those that say so themselves. `any`: every one but those that say the contrary by `retryable: false` in a ViableError. */
  readonly on: "retryable" | "any";
}

export type NodeDefinition =
  | StepNode
  | MapNode
  | SwitchNode
  | GroupNode
  | RepeatNode
  | ComposeNode
  | SleepNode
  | EventNode
  | ApprovalNode
  | TaskNode;

/** Calls a function. Names of functions are those of `ReactorDefinition.functions`. */
export interface StepNode extends NodeBase {
  readonly kind: "step";
  readonly run: string;
  readonly where?: string;
  readonly guard?: string;
  readonly compensate?: string;
  readonly undo?: string;
  readonly findOutcome?: string;
  readonly retry: Retry;
  readonly timeoutMs: number;
  /** Whether doing it twice comes to the same as doing it once. */
  readonly idempotent: boolean;
  /** Where it takes turns with steps of other runs in this process. */
  readonly pool?: string;
}

/** The scope once for each element of a list. */
export interface MapNode extends NodeBase {
  readonly kind: "map";
  readonly over: Argument;
  readonly maxConcurrency: number;
  readonly ordered: boolean;
  readonly collect: "results" | "count";
  readonly scope: ScopeDefinition;
}

/** The first branch whose condition holds. */
export interface SwitchNode extends NodeBase {
  readonly kind: "switch";
  readonly branches: readonly { readonly name: string; readonly when: string; readonly scope: ScopeDefinition }[];
  readonly otherwise?: ScopeDefinition;
}

/** Steps with a name in common, before all of which and after all of which something may be done. */
export interface GroupNode extends NodeBase {
  readonly kind: "group";
  readonly scope: ScopeDefinition;
}

/** The scope again and again, until its condition holds. */
export interface RepeatNode extends NodeBase {
  readonly kind: "repeat";
  readonly until: string;
  readonly maxTurns: number;
  readonly scope: ScopeDefinition;
}

/** Another reactor, as a run of its own. */
export interface ComposeNode extends NodeBase {
  readonly kind: "compose";
  readonly reactor: string;
  readonly onFailure?: string;
  readonly maxRestarts: number;
  /** Whether it is undone with the run it is part of; else what it did stays. */
  readonly undo: boolean;
}

export interface SleepNode extends NodeBase {
  readonly kind: "sleep";
}

export interface EventNode extends NodeBase {
  readonly kind: "event";
  readonly event: string;
}

export interface ApprovalNode extends NodeBase {
  readonly kind: "approval";
  readonly title: string;
  readonly onRejected: "fail" | "continue";
}

/** A task for whichever agent has the capability. */
export interface TaskNode extends NodeBase {
  readonly kind: "task";
  readonly capability: string;
  readonly retry: Retry;
  readonly timeoutMs: number;
}

/** The scopes inside of a node: what its path has after its name there, and where in the node it stands. */
export function scopesOf(
  node: NodeDefinition,
): readonly { readonly mark: string; readonly scope: ScopeDefinition; readonly at: readonly PropertyKey[] }[] {
  switch (node.kind) {
    case "map":
    case "group":
    case "repeat":
      return [{ mark: "", scope: node.scope, at: ["scope"] }];
    case "switch":
      return [
        ...node.branches.map(({ name, scope }, index) => ({
          ...{ mark: `:${name}`, scope },
          at: ["branches", index, "scope"],
        })),
        ...(node.otherwise === undefined ? [] : [{ mark: ":otherwise", scope: node.otherwise, at: ["otherwise"] }]),
      ];
    default:
      return [];
  }
}

/** Every node of a scope, those in scopes inside of others included, with its static path and where in the scope it stands. */
export function* nodesOf(
  scope: ScopeDefinition,
  prefix = "",
  at: readonly PropertyKey[] = [],
): Generator<{ readonly node: NodeDefinition; readonly path: string; readonly at: readonly PropertyKey[] }> {
  for (const [index, node] of scope.nodes.entries()) {
    const path = prefix + node.name;
    const here = [...at, "nodes", index];
    yield { node, path, at: here };
    for (const inner of scopesOf(node)) yield* nodesOf(inner.scope, `${path}${inner.mark}/`, [...here, ...inner.at]);
  }
}
