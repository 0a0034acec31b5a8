import type { JsonValue } from "@viable/kernel";
import type { z } from "zod";
import type { Argument } from "./argument.ts";
import {
  checkFunction,
  checkRetry,
  checkStepTimeout,
  checkWhole,
  defaultConcurrency,
  defaultStepTimeoutMs,
} from "./check-settings.ts";
import type { NodeDefinition, ReactorDefinition, StepFunction } from "./definition.ts";
import {
  eventPattern,
  eventRule,
  findSleepProblem,
  maxOf,
  namePattern,
  nameRule,
  noBranchRule,
} from "./definition-rules.ts";
import { invalidDefinition } from "./errors.ts";
import { findDifference } from "./find-difference.ts";
import { judgeBy } from "./judge-by.ts";
import type { ListAlone, Ref, Resolved, Template } from "./ref.ts";
import { refsTo, refTo, toArgument } from "./ref.ts";
import type { StepContext } from "./step-context.ts";
import type {
  Attached,
  Branch,
  Common,
  ElementOf,
  From,
  Kept,
  Named,
  RetrySettings,
  SaidStep,
  Scope,
  StepSettings,
  TemplateOf,
} from "./step-settings.ts";

/** What is said so far. It is never changed: two chains that begin alike do not know of each other. */
interface Said extends Attached {
  /** What can be taken here beside results: the input, and inside of a map or repeat the element and its number. */
  readonly given: {
    readonly [name: string]: { readonly argument: Argument; readonly members?: ReadonlySet<string> | undefined };
  };
  /** Results that can be taken here, by name. */
  readonly visible: ReadonlyMap<string, Argument>;
  readonly nodes: readonly NodeDefinition[];
}

/** Says steps one after the other; each method answers what is said so far, with the step in it. Their order here is nobody's business. */
export class Steps<Given, Results> {
  readonly #reactor: string;
  readonly #prefix: string;
  readonly #said: Said;

  /** @internal */
  constructor(reactor: string, prefix: string, said: Said) {
    this.#reactor = reactor;
    this.#prefix = prefix;
    this.#said = said;
  }

  /** Calls a function. With `where`, which answers true or false at once and skips it where false, its result may be null. */
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
    this.#checkSettings(path, settings);
    const { run, where, guard, compensate, undo, findOutcome } = settings;
    const functions = { run, ...defined({ where, guard, compensate, undo, findOutcome }) };
    return this.#with(
      name,
      {
        kind: "step",
        ...this.#common(name, settings),
        ...namesOf(path, functions),
        retry: checkRetry(this.#reactor, path, settings.retry),
        timeoutMs: checkStepTimeout(this.#reactor, path, settings.timeoutMs),
        idempotent: settings.idempotent ?? true,
        ...(settings.pool !== undefined && { pool: settings.pool }),
      },
      this.#attach(path, functions),
    );
  }

  /**
   * Does some steps for each element of a list. They see the element, its index and the results outside. Comes to the list of what each
   * came to, in the order of the elements or, with `ordered: false`, of their ends; with `collect: "count"` to how many there were, and
   * then nothing of them is held in memory. The first failure ends the run.
   */
  map<const Name extends string, List extends Template, Output, const Collect extends "results" | "count" = "results">(
    name: Name,
    settings: Common & {
      readonly over: (from: From<Given, Results>) => List & ListAlone<List>;
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
    this.#checkSettings(path, settings);
    const { maxConcurrency = defaultConcurrency } = settings;
    const inner = this.#inner(`${path}/`, steps, { ...this.#said.given, ...elementOf(path) });
    return this.#with(
      name,
      {
        kind: "map",
        ...this.#common(name, settings),
        over: this.#argument(`${path}.over`, settings.over),
        maxConcurrency: this.#whole(path, "maxConcurrency", maxConcurrency, maxOf.concurrency),
        ordered: settings.ordered ?? true,
        collect: settings.collect ?? "results",
        scope: inner.definition,
      },
      inner,
    );
  }

  /**
   * Does the steps of the first branch whose condition holds, in the order they stand, or those of `otherwise`. Without either it fails. A condition
   * answers true or false at once; anything else fails it with `reactor.invalid_condition`.
   */
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
    this.#checkSettings(path, settings);
    let attached: Attached = this.#said;
    const innerOf = (branch: string, steps: (steps: Steps<Given, Results>) => Scope<unknown>) => {
      const inner = this.#inner(`${path}:${branch}/`, steps, this.#said.given, attached);
      attached = inner;
      return inner.definition;
    };
    const said = settings.branches ?? {};
    const branches = Object.entries<Branch<Given, Results>>(said).map(([branch, { when, steps }]) => {
      const place = `${path}:${branch}`;
      if (!namePattern.test(branch) || branch === "otherwise") throw this.#invalid(place, nameRule);
      attached = this.#attach(place, { when }, attached);
      return { name: branch, ...namesOf(place, { when }), scope: innerOf(branch, steps) };
    });
    const otherwise = settings.otherwise && innerOf("otherwise", settings.otherwise);
    if (branches.length === 0 && otherwise === undefined) throw this.#invalid(path, noBranchRule);
    return this.#with(
      name,
      {
        kind: "switch",
        ...this.#common(name, settings),
        branches,
        ...(otherwise !== undefined && { otherwise }),
      },
      attached,
    );
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
    this.#checkSettings(path, settings);
    const inner = this.#inner(`${path}/`, steps);
    const { nodes, returns } = inner.definition;
    let attached: Attached = inner;
    // Named after the group: one inside of another may have hooks too.
    const hookName = (role: string) => `${name}-${role}`;
    const hook = (role: string, run: (ctx: StepContext) => unknown, after: readonly string[]): NodeDefinition => {
      const place = `${path}/${hookName(role)}`;
      if (namePattern.test(name) && !namePattern.test(hookName(role)))
        throw this.#invalid(path, `too long a name for a step "${hookName(role)}": ${nameRule}`);
      attached = this.#attach(place, { run }, attached);
      return {
        kind: "step",
        name: hookName(role),
        args: { from: "value", value: {} },
        after,
        ...namesOf(place, { run }),
        retry: checkRetry(this.#reactor, path, undefined),
        timeoutMs: defaultStepTimeoutMs,
        idempotent: true,
      };
    };
    const before = settings.before === undefined ? [] : [hook("before", settings.before, [])];
    // Those before the end: without steps, what is done before them.
    const last = (nodes.length === 0 ? before : nodes).map((node) => node.name);
    const after = settings.afterAll === undefined ? [] : [hook("after", settings.afterAll, last)];
    const within =
      before.length === 0 ? nodes : nodes.map((node) => ({ ...node, after: [...node.after, hookName("before")] }));
    return this.#with(
      name,
      {
        kind: "group",
        ...this.#common(name, settings),
        scope: { nodes: [...before, ...within, ...after], returns },
      },
      attached,
    );
  }

  /**
   * Does some steps again and again, until `until` holds for what a turn came to; comes to that. `element` is what the turn before
   * came to, null in the first. Fails with `reactor.repeat_exhausted` after `maxTurns`, and with `reactor.invalid_condition` where `until`
   * answers neither true nor false.
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
    this.#checkSettings(path, settings);
    const inner = this.#inner(`${path}/`, steps, { ...this.#said.given, ...elementOf(path) });
    return this.#with(
      name,
      {
        kind: "repeat",
        ...this.#common(name, settings),
        ...namesOf(path, { until }),
        maxTurns: this.#whole(path, "maxTurns", settings.maxTurns, maxOf.turns),
        scope: inner.definition,
      },
      this.#attach(path, { until }, inner),
    );
  }

  /**
   * Has another reactor run, as a run of its own that can be watched and that any process may take; comes to its result. It is told
   * when this run is cancelled or undone.
   */
  compose<const Name extends string, ChildGiven, Output>(
    name: Name,
    child: ReactorDefinition<ChildGiven, Output>,
    settings: Common & {
      readonly args: (from: From<Given, Results>) => TemplateOf<ChildGiven>;
      /**
       * It ended without a result: says what then. `restart` begins another run of it after a growing wait, `maxRestarts` times at most; `fail`
       * fails this step; `review` asks a person; `{ result }` goes on with that. Default `fail`.
       * It answers at once; anything else fails this step with `reactor.invalid_result`.
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
    this.#checkSettings(path, settings);
    if (child?.kind !== "reactor") throw this.#invalid(path, "what it composes is no definition of a reactor");
    const known = this.#said.children.find((each) => each.name === child.name);
    const difference = known && findDifference(known, child as ReactorDefinition);
    if (difference !== undefined)
      throw this.#invalid(
        path,
        `another reactor named "${child.name}" is composed already: they differ in ${difference}`,
      );
    if (settings.undo === true && !child.reversible)
      throw this.#invalid(path, `"${child.name}" is to be undone, and is not reversible`);
    const functions = defined({ onFailure: settings.onFailure });
    const { functions: attached, children } = this.#attach(path, functions);
    return this.#with(
      name,
      {
        kind: "compose",
        ...this.#common(name, { ...settings, args: settings.args as (from: From<Given, Results>) => Template }),
        reactor: child.name,
        ...namesOf(path, functions),
        maxRestarts: this.#whole(path, "maxRestarts", settings.maxRestarts ?? 3, maxOf.restarts, 0),
        undo: settings.undo ?? child.reversible,
      },
      { functions: attached, children: known === undefined ? [...children, child as ReactorDefinition] : children },
    );
  }

  /** Waits, for a time or until one, in milliseconds. Costs nothing meanwhile, and a crash does not make it longer. */
  sleep<const Name extends string>(
    name: Name,
    settings: Common & {
      readonly args: (
        from: From<Given, Results>,
      ) =>
        | { readonly forMs: number | Ref<number>; readonly until?: never }
        | { readonly until: number | Ref<number>; readonly forMs?: never };
    },
  ): Steps<Given, Results & Named<Name, null>> {
    const path = this.#prefix + name;
    this.#checkSettings(path, settings);
    const node = { kind: "sleep" as const, ...this.#common(name, settings as never) };
    const problem = findSleepProblem(node.args);
    if (problem !== undefined) throw this.#invalid(path, problem);
    return this.#with(name, node);
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
    this.#checkSettings(path, settings);
    if (!eventPattern.test(settings.event)) throw this.#invalid(path, `event ${eventRule}`);
    const { event, payload: schema } = settings;
    return this.#with(
      name,
      { kind: "event", ...this.#common(name, settings as never), event },
      this.#attach(path, defined({ payload: schema && judgeBy(path, "payload", schema) })),
    );
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
    this.#checkSettings(this.#prefix + name, settings);
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
    this.#checkSettings(path, settings);
    const { capability, result: schema } = settings;
    return this.#with(
      name,
      {
        kind: "task",
        ...this.#common(name, settings),
        capability,
        retry: checkRetry(this.#reactor, path, settings.retry),
        timeoutMs: checkStepTimeout(this.#reactor, path, settings.timeoutMs),
      },
      this.#attach(path, defined({ result: schema && judgeBy(path, "result", schema, settings.retry !== undefined) })),
    );
  }

  /** Says what it all comes to, and that all is said. */
  returns<Output extends Template>(template: (from: From<Given, Results>) => Output): Scope<Resolved<Output>> {
    const { nodes, functions, children } = this.#said;
    const returns = this.#argument(`${this.#prefix}returns`, template);
    return { definition: { nodes, returns }, functions, children };
  }

  /** What a template says, where it is said: refusals name that place. */
  #argument(place: string, template: (from: From<Given, Results>) => unknown): Argument {
    if (typeof template !== "function") throw this.#invalid(place, "must be a function of what is there");
    const { given, visible } = this.#said;
    const missing = (name: string) =>
      this.#invalid(place, `results.${name} is taken, and no step of that name stands before it`);
    const full = `reactor "${this.#reactor}", ${place}`;
    const refs = Object.entries(given).map(([name, { argument, members }]) => [name, refTo(argument, full, members)]);
    const from = { ...Object.fromEntries(refs), results: refsTo(visible, full, missing) } as From<Given, Results>;
    return toArgument(template(from), full);
  }

  #common(name: string, settings: Common & { args?: (from: From<Given, Results>) => unknown }) {
    const path = this.#prefix + name;
    const after = settings.after ?? [];
    if (!Array.isArray(after))
      throw this.#invalid(path, `after must be a list of names of steps, and is ${JSON.stringify(after)}`);
    return {
      name,
      args: this.#argument(`${path}.args`, settings.args ?? (() => ({}))),
      // Theirs is left as it is: what is defined is frozen.
      after: [...after],
      ...(settings.description !== undefined && { description: settings.description }),
    };
  }

  #inner<InnerGiven, InnerResults>(
    prefix: string,
    steps: (steps: Steps<InnerGiven, InnerResults>) => Scope<unknown>,
    given = this.#said.given,
    { functions, children }: Attached = this.#said,
  ): Scope<unknown> {
    const { visible } = this.#said;
    const said: Said = { given, visible, nodes: [], functions, children };
    return sayScope(this.#reactor, prefix.slice(0, -1), steps, new Steps(this.#reactor, prefix, said));
  }

  // What is added to the type is what was added to the value; no compiler can see that.
  #with<Next>(name: string, node: NodeDefinition, attached: Attached = this.#said): Steps<Given, Next> {
    const path = this.#prefix + name;
    const { given, visible, nodes } = this.#said;
    if (!namePattern.test(name)) throw this.#invalid(path, nameRule);
    if (visible.has(name)) throw this.#invalid(path, "another step that can be seen here has that name");
    return new Steps(this.#reactor, this.#prefix, {
      given,
      visible: new Map(visible).set(name, { from: "result", step: path, path: [] }),
      nodes: [...nodes, node],
      functions: attached.functions,
      children: attached.children,
    });
  }

  #checkSettings(path: string, settings: object): void {
    if (typeof settings !== "object" || settings === null) throw this.#invalid(path, "has no settings");
  }

  /** With a step's functions, under the names that `namesOf` gives them. */
  #attach(path: string, functions: Roles, { functions: before, children }: Attached = this.#said): Attached {
    for (const [role, run] of Object.entries(functions)) checkFunction(this.#reactor, path, role, run);
    const names = namesOf(path, functions);
    const added = Object.entries(functions).map(([role, run]) => [names[role] as string, run] as const);
    return { functions: [...before, ...added], children };
  }

  #whole(path: string, what: string, value: number, max: number, min = 1): number {
    return checkWhole(this.#reactor, `${path}.${what}`, value, max, min);
  }

  #invalid(path: string, reason: string): Error {
    return invalidDefinition(this.#reactor, path, reason);
  }
}

/** Has steps said, from the first on. Throws `reactor.invalid_definition` with the place where what is answered is not what `returns` does. */
export function sayScope<Given, Results, Output>(
  reactor: string,
  place: string,
  steps: (steps: Steps<Given, Results>) => Scope<Output>,
  first: Steps<Given, Results>,
): Scope<Output> {
  if (typeof steps !== "function") throw invalidDefinition(reactor, place, "its steps must be a function");
  const said = steps(first);
  if (said instanceof Promise) {
    // What it comes to is nobody's business: it must not take down the process where it rejects.
    said.catch(() => undefined);
    throw invalidDefinition(reactor, place, "its steps are said at once, and a promise was answered");
  }
  if (said?.definition?.nodes !== undefined) return said;
  throw invalidDefinition(reactor, place, "its steps come to nothing that is known. Do they end in .returns(…)?");
}

/** What steps of each element or turn can take of it. */
const elementOf = (of: string): Said["given"] => ({
  element: { argument: { from: "element", of, path: [] } },
  index: { argument: { from: "index", of } },
});

/** A step's functions, by what they are there for. */
type Roles = { readonly [role: string]: StepFunction };

/** What stands in the definition for a step's functions: the path of the step and the role. */
const namesOf = <Functions extends Roles>(path: string, functions: Functions) =>
  Object.fromEntries(Object.keys(functions).map((role) => [role, `${path}.${role}`])) as {
    readonly [Role in keyof Functions]: string;
  };

/** Those that are said. */
const defined = <Role extends string>(functions: { readonly [Each in Role]: StepFunction | undefined }) =>
  Object.fromEntries(Object.entries(functions).filter(([, run]) => run !== undefined)) as {
    readonly [Each in Role]?: StepFunction;
  };
