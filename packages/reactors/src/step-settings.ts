import type { ReactorDefinition, ScopeDefinition, StepFunction } from "./definition.ts";
import type { Ref, Resolved, Template } from "./ref.ts";
import type { StepContext } from "./step-context.ts";
import type { Steps } from "./steps.ts";

/** What a step's arguments can be taken from: the run's input and results of steps before it, and inside a map or repeat the element. */
export type From<Given, Results> = Given & {
  readonly results: { readonly [Name in keyof Results]: Ref<Results[Name]> };
};

/** What steps have beside what stands in the graph, in the order in which they were said. */
export interface Attached {
  /** Each with the name that stands for it in the graph. */
  readonly functions: readonly (readonly [name: string, run: StepFunction])[];
  /** Reactors that are composed, each once. */
  readonly children: readonly ReactorDefinition[];
}

/** Steps that are all said, and what they come to; with what was attached to those around it before. */
export interface Scope<Output> extends Attached {
  readonly definition: ScopeDefinition;
  /** @internal Carries the type of what it comes to. */
  readonly output?: Output;
}

/** What a function that may answer nothing answers. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return statement has this type, and no other.
export type Nothing = void | undefined;
/** What is kept of what a function returned: nothing is null. */
export type Kept<Result> = [Awaited<Result>] extends [Nothing] ? null : Awaited<Result>;
export type Named<Name extends string, Result> = { readonly [Key in Name]: Result };
/** What a list is made of. */
export type ElementOf<List> = Resolved<List> extends readonly (infer Element)[] ? Element : never;
/** What must be written to come to a value of this type. */
export type TemplateOf<T> =
  | Ref<T>
  | (T extends null | undefined | boolean | number | string
      ? T
      : T extends readonly unknown[]
        ? { readonly [Index in keyof T]: TemplateOf<T[Index]> }
        : { readonly [Key in keyof T]: TemplateOf<T[Key]> });

export interface Branch<Given, Results> {
  readonly when: StepFunction;
  readonly steps: (steps: Steps<Given, Results>) => Scope<unknown>;
}

export interface Common {
  readonly description?: string;
  /** Further steps that must be done before it, though it takes nothing from them. */
  readonly after?: readonly string[];
}

export interface RetrySettings {
  /** How many tries there are in all. Default 5. */
  readonly maxAttempts?: number;
  /** The wait after the first failure, in milliseconds, and doubled after each further one, with jitter. Default 50. */
  readonly baseMs?: number;
  /** No wait is longer. Default 5,000. */
  readonly maxMs?: number;
}

/** The same whatever its types: what is called with what is checked where it is said. */
export interface SaidStep<Given, Results>
  extends Common,
    Pick<StepSettings<Given, Results, Template, unknown>, "args" | "retry" | "timeoutMs" | "idempotent" | "pool"> {
  readonly run: StepFunction;
  readonly where?: StepFunction | undefined;
  readonly guard?: StepFunction;
  readonly compensate?: StepFunction;
  readonly undo?: StepFunction;
  readonly findOutcome?: StepFunction;
}

/** What is said of a step that calls a function. */
export interface StepSettings<Given, Results, Args, Result> extends Common {
  readonly args?: (from: From<Given, Results>) => Args;
  /**
   * Asked before each attempt, as a part of it: ends it without running where it answers `{ result }`. That is undone only where an attempt before,
   * or one of a process that died, may have done it: what was there before the run is not this run's to take back.
   */
  readonly guard?: (
    args: Resolved<NoInfer<Args>>,
    ctx: StepContext,
  ) => { readonly result: Kept<Result> } | undefined | Promise<{ readonly result: Kept<Result> } | undefined>;
  /**
   * Does it. What it returns must be plain JSON of at most 4 MiB; what it throws is its failure. At least once, see `idempotent`. What it is
   * handed is frozen: copy what you change.
   */
  readonly run: (ctx: StepContext, args: Resolved<NoInfer<Args>>) => Result;
  /**
   * It has failed for good: puts right what it may have left half done. Where it answers `{ result }` the run goes on with that; else
   * the run fails. Tried five times, then a person is asked.
   */
  readonly compensate?: (
    ctx: StepContext,
    failed: { readonly error: Error; readonly args: Resolved<NoInfer<Args>> },
  ) => { readonly result: Kept<Result> } | Nothing | Promise<{ readonly result: Kept<Result> } | Nothing>;
  /** It had succeeded, and the run failed later: takes it back. Tried five times, then a person is asked. */
  readonly undo?: (
    ctx: StepContext,
    done: { readonly result: Kept<Result>; readonly args: Resolved<NoInfer<Args>> },
  ) => void | Promise<void>;
  /** Without it, only failures that say `retryable` themselves are tried again; with it, all that do not say the contrary. */
  readonly retry?: RetrySettings;
  /** Default 60,000 ms, at most a day. */
  readonly timeoutMs?: number;
  /**
   * Whether doing it twice comes to the same as doing it once. Where false, that it begins is recorded before it does, and where a
   * crash or a timeout leaves unknown whether it happened, or what it returned cannot be kept, the run stops in `needs_review`. Default true.
   */
  readonly idempotent?: boolean;
  /** Asked where that is unknown, before a person is: answers `{ result }` where it happened, undefined where it did not. */
  readonly findOutcome?: (
    ctx: StepContext,
    args: Resolved<NoInfer<Args>>,
  ) => { readonly result: Kept<Result> } | undefined | Promise<{ readonly result: Kept<Result> } | undefined>;
  /**
   * The shared pool it takes its turn in: see `createReactors`. Each call of one of its functions takes a place there (`guard` with `run`,
   * `compensate`, `undo`, `findOutcome`), and none is held between two tries.
   */
  readonly pool?: string;
}
