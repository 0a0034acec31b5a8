import type { JsonValue } from "@viable/kernel";
import { defaultBackoff } from "@viable/kernel";
import { z } from "zod";
import type { Argument } from "./argument.ts";
import type { NodeDefinition, ReactorDefinition, Retry, ScopeDefinition, StepFunction } from "./definition.ts";
import { hashOf } from "./definition-hash.ts";
import { eventPattern, eventRule, maxOf, namePattern, nameRule } from "./definition-rules.ts";
import { invalidDefinition } from "./errors.ts";
import { membersOf, planOf } from "./plan.ts";
import type { Ref, Resolved, Template } from "./ref.ts";
import { refsTo, refTo, toArgument } from "./ref.ts";
import type { StepContext } from "./step-context.ts";

/** How long a step may take, in milliseconds, where it says nothing: the seed's `task_timeout`. */
const defaultStepTimeoutMs = 60_000;
/** How many steps of one run run at the same time where nothing is said: enough for work that waits for others. */
const defaultConcurrency = 100;

/** What a step's arguments can be taken from: the run's input and results of steps before it, and inside a map or repeat the element. */
export type From<Given, Results> = Given & {
  readonly results: { readonly [Name in keyof Results]: Ref<Results[Name]> };
};

/** Steps that are all said, and what they come to. */
export interface Scope<Output> {
  readonly definition: ScopeDefinition;
  /** @internal Carries the type of what it comes to. */
  readonly output?: Output;
}

/** What a function that may answer nothing answers. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return statement has this type, and no other.
type Nothing = void | undefined;
/** What is kept of what a function returned: nothing is null. */
type Kept<Result> = [Awaited<Result>] extends [Nothing] ? null : Awaited<Result>;
type Named<Name extends string, Result> = { readonly [Key in Name]: Result };
/** What a list is made of. */
type ElementOf<List> = Resolved<List> extends readonly (infer Element)[] ? Element : never;
/** What must be written to come to a value of this type. */
export type TemplateOf<T> =
  | Ref<T>
  | (T extends null | undefined | boolean | number | string
      ? T
      : T extends readonly unknown[]
        ? { readonly [Index in keyof T]: TemplateOf<T[Index]> }
        : { readonly [Key in keyof T]: TemplateOf<T[Key]> });

interface Branch<Given, Results> {
  readonly when: StepFunction;
  readonly steps: (steps: Steps<Given, Results>) => Scope<unknown>;
}

interface Common {
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
interface SaidStep<Given, Results>
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
  /** Ends it without running where it answers `{ result }`. */
  readonly guard?: (
    args: Resolved<NoInfer<Args>>,
    ctx: StepContext,
  ) => { readonly result: Kept<Result> } | undefined | Promise<{ readonly result: Kept<Result> } | undefined>;
  /** Does it. What it returns must be plain JSON of at most 4 MiB; what it throws is its failure. At least once, see `idempotent`. */
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
   * crash or a timeout leaves unknown whether it happened, the run stops in `needs_review`. Default true.
   */
  readonly idempotent?: boolean;
  /** Asked where that is unknown, before a person is: answers `{ result }` where it happened, undefined where it did not. */
  readonly findOutcome?: (
    ctx: StepContext,
    args: Resolved<NoInfer<Args>>,
  ) => { readonly result: Kept<Result> } | undefined | Promise<{ readonly result: Kept<Result> } | undefined>;
  /** The shared pool it takes its turn in: see `createReactors`. */
  readonly pool?: string;
}

/** @internal What is shared by all that is said of one reactor. */
interface Scribe {
  readonly reactor: string;
  readonly functions: Map<string, StepFunction>;
  readonly children: Map<string, ReactorDefinition>;
}

/**
 * Defines a reactor: a saga as a graph of steps. What a step takes from others says when it can run: as soon as they are done, beside
 * whatever else can. Checked here and now: throws `reactor.invalid_definition` with the step and the reason.
 *
 * `version` is raised where a change of what functions do shall not reach runs that are under way; a changed graph is another
 * definition in any case.
 */
export function reactor<Input extends z.ZodType, Output>(
  name: string,
  settings: {
    readonly input: Input;
    readonly description?: string;
    readonly version?: number;
    /** Whether a run that succeeded may be undone later. Default false. */
    readonly reversible?: boolean;
    /** How many steps run at the same time. Default 100, at most 10,000. */
    readonly maxConcurrency?: number;
    /** How long a run may take, in milliseconds, until it is ended and undone; at most ten years. Default: as long as it takes. */
    readonly timeoutMs?: number;
  },
  steps: (steps: Steps<{ readonly input: Ref<z.output<Input>> }, unknown>) => Scope<Output>,
): ReactorDefinition<z.output<Input>, Output> {
  if (!namePattern.test(name)) throw invalidDefinition(name, "name", nameRule);
  const scribe: Scribe = { reactor: name, functions: new Map(), children: new Map() };
  const first = new Steps<{ readonly input: Ref<z.output<Input>> }, unknown>(scribe, "", {
    given: { input: { argument: { from: "input", path: [] }, members: membersOf(settings.input) } },
    visible: new Map(),
    nodes: [],
  });
  const { definition: graph } = steps(first);
  const said = {
    kind: "reactor" as const,
    name,
    description: settings.description ?? "",
    version: whole(name, "version", settings.version ?? 1, 1, Number.MAX_SAFE_INTEGER),
    input: settings.input as z.ZodType<z.output<Input>>,
    graph,
    reversible: settings.reversible ?? false,
    maxConcurrency: whole(name, "maxConcurrency", settings.maxConcurrency ?? defaultConcurrency, 1, maxOf.concurrency),
    timeoutMs: checkRunTimeout(name, settings.timeoutMs),
    functions: scribe.functions,
    children: scribe.children,
  };
  const definition = { ...said, hash: hashOf(said) };
  // Says what is wrong with it now, where it is written, and not when it is first run.
  planOf(definition);
  return deepFreeze(definition);
}

/** What can be taken here beside results: the input, and inside of a map or repeat the element and its number. */
interface Said {
  readonly given: {
    readonly [name: string]: { readonly argument: Argument; readonly members?: ReadonlySet<string> | undefined };
  };
  /** Results that can be taken here, by name. */
  readonly visible: ReadonlyMap<string, Argument>;
  readonly nodes: readonly NodeDefinition[];
}

/** Says steps one after the other; each method answers what is said so far, with the step in it. Their order here is nobody's business. */
export class Steps<Given, Results> {
  readonly #scribe: Scribe;
  readonly #prefix: string;
  readonly #said: Said;

  /** @internal */
  constructor(scribe: Scribe, prefix: string, said: Said) {
    this.#scribe = scribe;
    this.#prefix = prefix;
    this.#said = said;
  }

  /** Calls a function. With `where`, which skips it where false, its result may be null. */
  step<const Name extends string, Result, Args extends Template = never>(
    name: Name,
    settings: StepSettings<Given, Results, Args, Result> & {
      readonly where: (args: Resolved<NoInfer<Args>>) => boolean;
    },
  ): Steps<Given, Results & Named<Name, Kept<Result> | null>>;
  step<const Name extends string, Result, Args extends Template = never>(
    name: Name,
    settings: StepSettings<Given, Results, Args, Result> & { readonly where?: undefined },
  ): Steps<Given, Results & Named<Name, Kept<Result>>>;
  step<Next>(name: string, settings: SaidStep<Given, Results>): Steps<Given, Next> {
    const path = this.#prefix + name;
    const attach = (role: string, run: StepFunction | undefined) =>
      run === undefined ? {} : { [role]: this.#attach(path, role, run) };
    return this.#with(name, {
      kind: "step",
      ...this.#common(name, settings),
      run: this.#attach(path, "run", settings.run),
      ...attach("where", settings.where),
      ...attach("guard", settings.guard),
      ...attach("compensate", settings.compensate),
      ...attach("undo", settings.undo),
      ...attach("findOutcome", settings.findOutcome),
      retry: this.#retry(path, settings.retry),
      timeoutMs: this.#timeout(path, settings.timeoutMs),
      idempotent: settings.idempotent ?? true,
      ...(settings.pool !== undefined && { pool: settings.pool }),
    });
  }

  /**
   * Does some steps for each element of a list. They see the element, its index and the results outside. Comes to the list of what each
   * came to, in the order of the elements or, with `ordered: false`, of their ends; with `collect: "count"` to how many there were, and
   * then nothing of them is held in memory. The first failure ends the run.
   */
  map<const Name extends string, List extends Template, Output, const Collect extends "results" | "count" = "results">(
    name: Name,
    settings: Common & {
      readonly over: (from: From<Given, Results>) => List;
      /** How many elements are under way at the same time. Default 100, at most 10,000. */
      readonly maxConcurrency?: number;
      readonly ordered?: boolean;
      readonly collect?: Collect;
    },
    steps: (
      steps: Steps<
        Omit<Given, "element" | "index"> & { readonly element: Ref<ElementOf<List>>; readonly index: Ref<number> },
        Results
      >,
    ) => Scope<Output>,
  ): Steps<Given, Results & Named<Name, Collect extends "count" ? number : Output[]>> {
    const path = this.#prefix + name;
    const given = { ...this.#said.given, ...elementOf(path) };
    return this.#with(name, {
      kind: "map",
      ...this.#common(name, settings),
      over: this.#argument(`${path}.over`, settings.over),
      maxConcurrency: this.#whole(
        path,
        "maxConcurrency",
        settings.maxConcurrency ?? defaultConcurrency,
        maxOf.concurrency,
      ),
      ordered: settings.ordered ?? true,
      collect: settings.collect ?? "results",
      scope: this.#inner(`${path}/`, given, steps),
    });
  }

  /** Does the steps of the first branch whose condition holds, in the order they stand, or those of `otherwise`. Without either it fails. */
  switch<
    const Name extends string,
    Args extends Template,
    Outputs extends { readonly [branch: string]: unknown },
    Otherwise = never,
  >(
    name: Name,
    settings: Common & {
      readonly args: (from: From<Given, Results>) => Args;
      readonly branches: {
        readonly [Branch in keyof Outputs]: {
          readonly when: (args: Resolved<NoInfer<Args>>) => boolean;
          readonly steps: (steps: Steps<Given, Results>) => Scope<Outputs[Branch]>;
        };
      };
      readonly otherwise?: (steps: Steps<Given, Results>) => Scope<Otherwise>;
    },
  ): Steps<Given, Results & Named<Name, Outputs[keyof Outputs] | Otherwise>> {
    const path = this.#prefix + name;
    return this.#with(name, {
      kind: "switch",
      ...this.#common(name, settings),
      branches: Object.entries<Branch<Given, Results>>(settings.branches).map(([branch, { when, steps }]) => {
        if (!namePattern.test(branch) || branch === "otherwise") throw this.#invalid(`${path}:${branch}`, nameRule);
        return {
          name: branch,
          when: this.#attach(`${path}:${branch}`, "when", when),
          scope: this.#inner(`${path}:${branch}/`, this.#said.given, steps),
        };
      }),
      ...(settings.otherwise !== undefined && {
        otherwise: this.#inner(`${path}:otherwise/`, this.#said.given, settings.otherwise),
      }),
    });
  }

  /** Puts steps under one name, with something done before all of them and after all of them. */
  group<const Name extends string, Output>(
    name: Name,
    settings: Common & {
      readonly before?: (ctx: StepContext) => unknown;
      readonly afterAll?: (ctx: StepContext) => unknown;
    },
    steps: (steps: Steps<Given, Results>) => Scope<Output>,
  ): Steps<Given, Results & Named<Name, Output>> {
    const path = this.#prefix + name;
    const inner = this.#inner(`${path}/`, this.#said.given, steps);
    // Named after the group: one inside of another may have hooks too.
    const hookName = (role: string) => `${name}-${role}`;
    const hook = (role: string, run: (ctx: StepContext) => unknown, after: readonly string[]): NodeDefinition => ({
      kind: "step",
      name: hookName(role),
      args: { from: "value", value: {} },
      after,
      run: this.#attach(`${path}/${hookName(role)}`, "run", run),
      retry: this.#retry(path, undefined),
      timeoutMs: defaultStepTimeoutMs,
      idempotent: true,
    });
    const names = inner.nodes.map((node) => node.name);
    const before = settings.before === undefined ? [] : [hook("before", settings.before, [])];
    const after = settings.afterAll === undefined ? [] : [hook("after", settings.afterAll, names)];
    const nodes =
      before.length === 0
        ? inner.nodes
        : inner.nodes.map((node) => ({ ...node, after: [...node.after, hookName("before")] }));
    return this.#with(name, {
      kind: "group",
      ...this.#common(name, settings),
      scope: { ...inner, nodes: [...before, ...nodes, ...after] },
    });
  }

  /**
   * Does some steps again and again, until `until` holds for what a turn came to; comes to that. `element` is what the turn before
   * came to, null in the first. Fails with `reactor.repeat_exhausted` after `maxTurns`.
   */
  repeat<const Name extends string, Output>(
    name: Name,
    settings: Common & { readonly maxTurns: number },
    steps: (
      steps: Steps<
        Omit<Given, "element" | "index"> & { readonly element: Ref<JsonValue>; readonly index: Ref<number> },
        Results
      >,
    ) => Scope<Output>,
    until: (last: Output) => boolean,
  ): Steps<Given, Results & Named<Name, Output>> {
    const path = this.#prefix + name;
    const given = { ...this.#said.given, ...elementOf(path) };
    return this.#with(name, {
      kind: "repeat",
      ...this.#common(name, settings),
      until: this.#attach(path, "until", until),
      maxTurns: this.#whole(path, "maxTurns", settings.maxTurns, maxOf.turns),
      scope: this.#inner(`${path}/`, given, steps),
    });
  }

  /**
   * Has another reactor run, as a run of its own that can be watched and that any process may take; comes to its result. It is told
   * when this run is cancelled or undone.
   */
  compose<const Name extends string, Input, Output>(
    name: Name,
    child: ReactorDefinition<Input, Output>,
    settings: Common & {
      readonly args: (from: From<Given, Results>) => TemplateOf<Input>;
      /**
       * It ended without a result: says what then. `restart` begins another run of it after a growing wait, `maxRestarts` times at most; `fail`
       * fails this step; `review` asks a person; `{ result }` goes on with that. Default `fail`.
       */
      readonly onFailure?: (
        error: Error,
        about: { readonly attempt: number },
      ) => "restart" | "fail" | "review" | { readonly result: Output };
      /** Default 3, at most 100. */
      readonly maxRestarts?: number;
      /** Whether it is undone with this run. Default: where it is reversible. */
      readonly undo?: boolean;
    },
  ): Steps<Given, Results & Named<Name, Output>> {
    const path = this.#prefix + name;
    const known = this.#scribe.children.get(child.name);
    if (known !== undefined && known.hash !== child.hash)
      throw this.#invalid(path, `another reactor named "${child.name}" is composed already`);
    if (settings.undo === true && !child.reversible)
      throw this.#invalid(path, `"${child.name}" is to be undone, and is not reversible`);
    this.#scribe.children.set(child.name, child as ReactorDefinition);
    return this.#with(name, {
      kind: "compose",
      ...this.#common(name, { ...settings, args: settings.args as (from: From<Given, Results>) => Template }),
      reactor: child.name,
      ...(settings.onFailure !== undefined && { onFailure: this.#attach(path, "onFailure", settings.onFailure) }),
      maxRestarts: this.#whole(path, "maxRestarts", settings.maxRestarts ?? 3, maxOf.restarts, 0),
      undo: settings.undo ?? child.reversible,
    });
  }

  /** Waits, for a time or until one, in milliseconds. Costs nothing meanwhile, and a crash does not make it longer. */
  sleep<const Name extends string>(
    name: Name,
    settings: Common & {
      readonly args: (
        from: From<Given, Results>,
      ) => { readonly forMs: number | Ref<number> } | { readonly until: number | Ref<number> };
    },
  ): Steps<Given, Results & Named<Name, null>> {
    return this.#with(name, { kind: "sleep", ...this.#common(name, settings as never) });
  }

  /**
   * Waits for what `reactors.send` hands over under this event and key (default: the run's id). What was sent before the step began
   * waiting counts, unless this run has taken it already. Comes to the payload.
   */
  waitFor<const Name extends string, Payload = JsonValue>(
    name: Name,
    settings: Common & {
      readonly event: string;
      readonly args?: (from: From<Given, Results>) => {
        readonly key?: string | Ref<string>;
        readonly timeoutMs?: number | Ref<number>;
      };
      /** What has another shape fails the step. */
      readonly payload?: z.ZodType<Payload>;
    },
  ): Steps<Given, Results & Named<Name, Payload>> {
    const path = this.#prefix + name;
    if (!eventPattern.test(settings.event)) throw this.#invalid(path, `event ${eventRule}`);
    if (settings.payload !== undefined)
      this.#attach(path, "payload", (value: unknown) => settings.payload?.parse(value));
    return this.#with(name, { kind: "event", ...this.#common(name, settings as never), event: settings.event });
  }

  /** Asks a person. Comes to who said yes, and why; a no fails it, or comes to that with `onRejected: "continue"`. */
  approval<const Name extends string, Details extends Template = Record<never, never>>(
    name: Name,
    settings: Common & {
      readonly title: string;
      /** What whoever decides should know, and `timeoutMs`. */
      readonly args?: (from: From<Given, Results>) => {
        readonly details?: Details;
        readonly timeoutMs?: number | Ref<number>;
      };
      readonly onRejected?: "fail" | "continue";
    },
  ): Steps<Given, Results & Named<Name, { decision: "approved" | "rejected"; by: string; reason?: string }>> {
    return this.#with(name, {
      kind: "approval",
      ...this.#common(name, settings as never),
      title: settings.title,
      onRejected: settings.onRejected ?? "fail",
    });
  }

  /** Has an agent that has the capability do a task. Comes to its result. It is recorded: after a crash it is found, not done again. */
  task<const Name extends string, Args extends Template, Result = JsonValue>(
    name: Name,
    settings: Common & {
      readonly capability: string;
      readonly args: (from: From<Given, Results>) => Args;
      /** What has another shape fails the step. */
      readonly result?: z.ZodType<Result>;
      readonly retry?: RetrySettings;
      /** Default 60,000 ms, at most a day. */
      readonly timeoutMs?: number;
    },
  ): Steps<Given, Results & Named<Name, Result>> {
    const path = this.#prefix + name;
    if (settings.result !== undefined) this.#attach(path, "result", (value: unknown) => settings.result?.parse(value));
    return this.#with(name, {
      kind: "task",
      ...this.#common(name, settings),
      capability: settings.capability,
      retry: this.#retry(path, settings.retry),
      timeoutMs: this.#timeout(path, settings.timeoutMs),
    });
  }

  /** Says what it all comes to, and that all is said. */
  returns<Output extends Template>(template: (from: From<Given, Results>) => Output): Scope<Resolved<Output>> {
    const { nodes } = this.#said;
    return { definition: { nodes, returns: this.#argument(`${this.#prefix}returns`, template) } };
  }

  /** What a template says, where it is said: refusals name that place. */
  #argument(place: string, template: (from: From<Given, Results>) => unknown): Argument {
    const { given, visible } = this.#said;
    const missing = (name: string) =>
      this.#invalid(place, `results.${name} is taken, and no step of that name stands before it`);
    const full = `reactor "${this.#scribe.reactor}", ${place}`;
    const refs = Object.entries(given).map(([name, { argument, members }]) => [name, refTo(argument, full, members)]);
    const from = { ...Object.fromEntries(refs), results: refsTo(visible, full, missing) } as From<Given, Results>;
    return toArgument(template(from), full);
  }

  #common(name: string, settings: Common & { args?: (from: From<Given, Results>) => unknown }) {
    return {
      name,
      args: this.#argument(`${this.#prefix}${name}.args`, settings.args ?? (() => ({}))),
      after: settings.after ?? [],
      ...(settings.description !== undefined && { description: settings.description }),
    };
  }

  #inner<InnerGiven, InnerResults>(
    prefix: string,
    given: Said["given"],
    steps: (steps: Steps<InnerGiven, InnerResults>) => Scope<unknown>,
  ): ScopeDefinition {
    return steps(
      new Steps<InnerGiven, InnerResults>(this.#scribe, prefix, { given, visible: this.#said.visible, nodes: [] }),
    ).definition;
  }

  // What is added to the type is what was added to the value; no compiler can see that.
  #with<Next>(name: string, node: NodeDefinition): Steps<Given, Next> {
    const path = this.#prefix + name;
    if (!namePattern.test(name)) throw this.#invalid(path, nameRule);
    if (this.#said.visible.has(name)) throw this.#invalid(path, "another step that can be seen here has that name");
    const visible = new Map(this.#said.visible).set(name, { from: "result", step: path, path: [] });
    return new Steps(this.#scribe, this.#prefix, {
      given: this.#said.given,
      visible,
      nodes: [...this.#said.nodes, node],
    });
  }

  #attach(path: string, role: string, run: StepFunction): string {
    const name = `${path}.${role}`;
    if (typeof run !== "function") throw this.#invalid(path, `${role} must be a function`);
    this.#scribe.functions.set(name, run);
    return name;
  }

  #retry(path: string, settings: RetrySettings | undefined): Retry {
    const { baseMs = defaultBackoff.baseMs, maxMs = defaultBackoff.maxMs } = settings ?? {};
    if (!(baseMs >= 0 && maxMs >= baseMs && maxMs <= maxOf.stepTimeoutMs))
      throw this.#invalid(path, "retry needs 0 ≤ baseMs ≤ maxMs, and at most a day");
    return {
      baseMs,
      maxMs,
      maxAttempts: this.#whole(
        path,
        "retry.maxAttempts",
        settings?.maxAttempts ?? defaultBackoff.maxAttempts,
        maxOf.attempts,
      ),
      on: settings === undefined ? "retryable" : "any",
    };
  }

  #timeout(path: string, timeoutMs: number = defaultStepTimeoutMs): number {
    if (!(timeoutMs > 0 && timeoutMs <= maxOf.stepTimeoutMs))
      throw this.#invalid(path, "timeoutMs must be more than 0 and at most a day");
    return timeoutMs;
  }

  #whole(path: string, what: string, value: number, max: number, min = 1): number {
    return whole(this.#scribe.reactor, `${path}.${what}`, value, min, max);
  }

  #invalid(path: string, reason: string): Error {
    return invalidDefinition(this.#scribe.reactor, path, reason);
  }
}

/** What steps of each element or turn can take of it. */
const elementOf = (of: string): Said["given"] => ({
  element: { argument: { from: "element", of, path: [] } },
  index: { argument: { from: "index", of } },
});

function checkRunTimeout(reactor: string, timeoutMs: number | undefined): number | undefined {
  if (timeoutMs === undefined || (timeoutMs >= 1 && timeoutMs <= maxOf.runTimeoutMs)) return timeoutMs;
  throw invalidDefinition(reactor, "timeoutMs", `${timeoutMs} is no number of milliseconds from 1 to ten years`);
}

function whole(reactor: string, path: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalidDefinition(reactor, path, `${value} is no whole number from ${min} to ${max}`);
}

/** Of plain data: maps and schemas are left as they are. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || value instanceof Map || value instanceof z.ZodType) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
