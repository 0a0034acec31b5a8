import type { Argument, Path } from "../argument.ts";
import type { NodeDefinition, ReactorDefinition, ScopeDefinition, StepNode } from "../definition.ts";
import { scopesOf } from "../definition.ts";

/**
 * Says what comes of what is done or asked for outside of a run, whenever it is; undefined where it fails, or does not come in its time. `place`
 * tells a composed run from others: the paths of the steps it is composed by, and which run of them it is, as in `ship#1>`.
 */
export interface Outside {
  step(
    place: string,
    path: string,
    node: StepNode,
    args: unknown,
  ): { readonly result: unknown; readonly by?: "guard" | "compensation" } | undefined;
  task(place: string, path: string, name: string, args: unknown): { readonly result: unknown } | undefined;
  event(place: string, path: string, name: string): { readonly result: unknown } | undefined;
  approval(
    place: string,
    path: string,
    name: string,
  ): { readonly decision: "approved" | "rejected"; readonly by: string; readonly reason: string } | undefined;
  /** Whether a composed run was told to end by somebody outside, or its time was up. */
  isStopped(place: string): boolean;
  /** What a person says of a step whose run of that number ended without a result. */
  review(path: string, number: number): "retry" | "failed" | { readonly result: unknown };
}

export interface ReferenceOutcome {
  readonly kind: "succeeded" | "skipped" | "failed";
  readonly result: unknown;
  readonly by: "guard" | "compensation" | "fork" | undefined;
  readonly node: NodeDefinition;
}

/** What a run comes to where nothing stops it: a step that fails keeps back what depends on it, and nothing else. */
export interface ReferenceRun {
  readonly definition: ReactorDefinition;
  readonly place: string;
  /** By the path in the run. */
  readonly outcomes: Map<string, ReferenceOutcome>;
  /** What must have been recorded before a step may begin, as `markOf` names it. */
  readonly needs: Map<string, ReadonlySet<string>>;
  /** Steps that fail for good. */
  readonly failing: Set<string>;
  /** What its outermost steps came to, by their names. */
  readonly outermost: Map<string, unknown>;
  /** Runs that a step composes, one after the other. */
  readonly children: Map<string, ReferenceRun[]>;
  /** Undefined where it cannot complete. */
  result: { readonly value: unknown } | undefined;
}

/** Names what a step waits for: an outcome, that a branch was chosen, that a turn began. */
export const markOf = (path: string, what: "outcome" | "branch" | number = "outcome"): string => `${path} ${what}`;

/** What is seen from inside of a scope. */
interface Frame {
  readonly outer: Frame | undefined;
  /** Static. */
  readonly prefix: string;
  readonly results: Map<string, unknown>;
  /** Static path of the map or repeat it is inside of, at once. */
  readonly of: string | undefined;
  readonly element: unknown;
  readonly index: number;
}

/** What a node or a scope came to, and all marks that say so. */
interface Done {
  readonly value: unknown;
  readonly marks: readonly string[];
}

/**
 * Carries a run out in the slowest and most obvious way: again and again it looks for a step whose needs are met, and does it. It shares no
 * code with the engine but the definition's types. A fork takes over what outermost steps came to, by their names.
 */
export function referenceRun(
  definition: ReactorDefinition,
  input: unknown,
  outside: Outside,
  place = "",
  takenOver: ReadonlyMap<string, unknown> = new Map(),
): ReferenceRun {
  const run: ReferenceRun = {
    definition,
    place,
    outcomes: new Map(),
    needs: new Map(),
    failing: new Set(),
    outermost: new Map(),
    children: new Map(),
    result: undefined,
  };
  const frame = { outer: undefined, prefix: "", results: run.outermost, of: undefined, element: undefined, index: 0 };
  const done = new Interpreter(run, input, outside, takenOver).scope(definition.graph, "", frame, []);
  run.result = done === undefined ? undefined : { value: done.value };
  return run;
}

/** The outermost steps that a fork of a run takes over: all but the one that it begins anew from, and what waits for that, however far. */
export function namesBefore({ graph }: ReactorDefinition, from: string): readonly string[] {
  const comesAfter = (name: string): boolean =>
    name === from ||
    graph.nodes.filter((node) => node.name === name).some((node) => dependenciesOf(node, graph, "").some(comesAfter));
  return graph.nodes.map(({ name }) => name).filter((name) => !comesAfter(name));
}

class Interpreter {
  readonly #run: ReferenceRun;
  readonly #input: unknown;
  readonly #outside: Outside;
  readonly #takenOver: ReadonlyMap<string, unknown>;

  constructor(run: ReferenceRun, input: unknown, outside: Outside, takenOver: ReadonlyMap<string, unknown>) {
    this.#run = run;
    this.#input = input;
    this.#outside = outside;
    this.#takenOver = takenOver;
  }

  /** Undefined where something in it fails, or waits for what fails. */
  scope(scope: ScopeDefinition, prefix: string, frame: Frame, needs: readonly string[]): Done | undefined {
    const done = new Map<string, readonly string[]>();
    const left = [...scope.nodes];
    const takeNext = () =>
      left.findIndex((node) => dependenciesOf(node, scope, frame.prefix).every((name) => done.has(name)));
    for (let at = takeNext(); at >= 0; at = takeNext()) {
      const [node] = left.splice(at, 1) as [NodeDefinition];
      const before = dependenciesOf(node, scope, frame.prefix).flatMap((name) => done.get(name) ?? []);
      const came = this.#node(node, prefix, frame, [...needs, ...before]);
      if (came === undefined) continue;
      frame.results.set(node.name, came.value);
      done.set(node.name, came.marks);
    }
    if (done.size < scope.nodes.length) return undefined;
    return { value: this.#resolve(scope.returns, frame) ?? null, marks: [...done.values()].flat() };
  }

  #node(node: NodeDefinition, prefix: string, frame: Frame, needs: readonly string[]): Done | undefined {
    const path = prefix + node.name;
    if (frame.outer === undefined && this.#takenOver.has(node.name))
      return this.#succeed(node, path, this.#takenOver.get(node.name), "fork", needs);
    const inside = frame.prefix + node.name;
    const enter = (which: string, mark: string, more: readonly string[], element: unknown, index: number) => {
      const { scope } = scopesOf(node).find((each) => each.mark === which) as { scope: ScopeDefinition };
      const inner = {
        outer: frame,
        prefix: `${inside}${which}/`,
        results: new Map(),
        of: inside,
        element,
        index,
      };
      return this.scope(scope, `${path}${mark}/`, inner, [...needs, ...more]);
    };
    const args = this.#resolve(node.args, frame);
    switch (node.kind) {
      case "step":
        return this.#step(node, path, args, needs);
      case "group":
        return enter("", "", [], undefined, 0);
      case "map": {
        const elements = this.#resolve(node.over, frame) as readonly unknown[];
        const all = elements.map((element, index) => enter("", `[${index}]`, [], element, index));
        if (!all.every((each) => each !== undefined)) return undefined;
        const value = node.collect === "count" ? all.length : all.map((each) => each.value);
        return { value, marks: all.flatMap(({ marks }) => marks) };
      }
      case "switch": {
        this.#run.needs.set(path, new Set(needs));
        const chosen = node.branches.find(({ when }) => this.#ask(when, args) === true)?.name ?? "otherwise";
        if (chosen === "otherwise" && node.otherwise === undefined) return this.#fail(node, path, needs);
        const mark = markOf(path, "branch");
        const done = enter(`:${chosen}`, `:${chosen}`, [mark], undefined, 0);
        return done === undefined ? undefined : { value: done.value, marks: [mark, ...done.marks] };
      }
      case "repeat": {
        let last: unknown = null;
        const marks: string[] = [];
        for (let turn = 0; turn < node.maxTurns; turn++) {
          if (turn > 0) marks.push(markOf(path, turn));
          const done = enter("", `[${turn}]`, marks, last, turn);
          if (done === undefined) return undefined;
          last = done.value;
          marks.push(...done.marks);
          if (this.#ask(node.until, last) !== true) continue;
          return this.#succeed(node, path, last, undefined, [...needs, ...marks], marks);
        }
        return this.#fail(node, path, [...needs, ...marks]);
      }
      case "compose":
        return this.#compose(node, path, args, needs);
      case "sleep":
        return this.#succeed(node, path, null, undefined, needs);
      case "task": {
        const came = this.#outside.task(this.#run.place, path, node.name, args);
        if (came === undefined) return this.#fail(node, path, needs);
        return this.#succeed(node, path, came.result, undefined, needs);
      }
      case "event": {
        const came = this.#outside.event(this.#run.place, path, node.name);
        if (came === undefined) return this.#fail(node, path, needs);
        return this.#succeed(node, path, came.result, undefined, needs);
      }
      case "approval": {
        const said = this.#outside.approval(this.#run.place, path, node.name);
        if (said === undefined) return this.#fail(node, path, needs);
        if (said.decision === "rejected" && node.onRejected === "fail") return this.#fail(node, path, needs);
        return this.#succeed(node, path, said, undefined, needs);
      }
    }
  }

  #step(node: StepNode, path: string, args: unknown, needs: readonly string[]): Done | undefined {
    if (node.where !== undefined && this.#ask(node.where, args) !== true) {
      this.#run.needs.set(path, new Set(needs));
      this.#run.outcomes.set(path, { kind: "skipped", result: null, by: undefined, node });
      return { value: null, marks: [markOf(path)] };
    }
    const came = this.#outside.step(this.#run.place, path, node, args);
    if (came === undefined) return this.#fail(node, path, needs);
    return this.#succeed(node, path, came.result, came.by, needs);
  }

  #compose(
    node: NodeDefinition & { kind: "compose" },
    path: string,
    args: unknown,
    needs: readonly string[],
  ): Done | undefined {
    const { definition, children, place } = this.#run;
    const child = definition.children.get(node.reactor) as ReactorDefinition;
    const runs: ReferenceRun[] = [];
    children.set(path, runs);
    for (let number = 1; ; number++) {
      const at = `${place}${path}#${number}>`;
      const run = referenceRun(child, args, this.#outside, at);
      runs.push(run);
      if (run.result !== undefined && !this.#outside.isStopped(at))
        return this.#succeed(node, path, run.result.value, undefined, needs);
      const answer = this.#afterFailure(node, path, number);
      if (answer === "again") continue;
      if (answer === "fail") return this.#fail(node, path, needs);
      return this.#succeed(node, path, answer.result, answer.by, needs);
    }
  }

  /** What becomes of a step whose run of that number ended without a result. */
  #afterFailure(
    node: NodeDefinition & { kind: "compose" },
    path: string,
    number: number,
  ): "again" | "fail" | { readonly result: unknown; readonly by: ReferenceOutcome["by"] } {
    const answer =
      node.onFailure === undefined ? "fail" : this.#ask(node.onFailure, new Error("It failed."), { attempt: number });
    if (answer === "restart") return number <= node.maxRestarts ? "again" : "fail";
    if (answer === "review") {
      const said = this.#outside.review(path, number);
      if (said === "retry") return "again";
      return said === "failed" ? "fail" : { result: said.result, by: undefined };
    }
    return answer === "fail" ? "fail" : { result: (answer as { result: unknown }).result, by: "compensation" };
  }

  #succeed(
    node: NodeDefinition,
    path: string,
    result: unknown,
    by: ReferenceOutcome["by"],
    needs: readonly string[],
    marks: readonly string[] = [],
  ): Done {
    this.#run.needs.set(path, new Set(needs));
    this.#run.outcomes.set(path, { kind: "succeeded", result, by, node });
    return { value: result, marks: [...marks, markOf(path)] };
  }

  #fail(node: NodeDefinition, path: string, needs: readonly string[]): undefined {
    this.#run.needs.set(path, new Set(needs));
    this.#run.outcomes.set(path, { kind: "failed", result: undefined, by: undefined, node });
    this.#run.failing.add(path);
  }

  #ask(name: string, ...args: readonly unknown[]): unknown {
    return this.#run.definition.functions.get(name)?.(...args);
  }

  #resolve(argument: Argument, frame: Frame): unknown {
    switch (argument.from) {
      case "input":
        return follow(this.#input, argument.path);
      case "value":
        return argument.value;
      case "list":
        return argument.items.map((item) => this.#resolve(item, frame) ?? null);
      case "object":
        return Object.fromEntries(
          Object.entries(argument.members)
            .map(([name, member]) => [name, this.#resolve(member, frame)] as const)
            .filter(([, value]) => value !== undefined),
        );
      case "result": {
        const { step, path } = argument;
        const at = findFrame(frame, ({ prefix, results }) =>
          [...results.keys()].some((name) => prefix + name === step),
        );
        return follow(at?.results.get(step.slice(at.prefix.length)), path);
      }
      case "element":
        return follow(findFrame(frame, ({ of }) => of === argument.of)?.element, argument.path);
      case "index":
        return findFrame(frame, ({ of }) => of === argument.of)?.index;
    }
  }
}

function findFrame(frame: Frame | undefined, isIt: (frame: Frame) => boolean): Frame | undefined {
  if (frame === undefined || isIt(frame)) return frame;
  return findFrame(frame.outer, isIt);
}

function follow(value: unknown, path: Path): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  return typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? follow((value as Record<string, unknown>)[key], rest)
    : undefined;
}

/** Names of those beside it that a node takes from, it or what is inside of it, or comes after. */
function dependenciesOf(node: NodeDefinition, scope: ScopeDefinition, prefix: string): string[] {
  const taken = new Set<string>(node.after);
  const takeFrom = (argument: Argument): void => {
    if (argument.from === "object") for (const member of Object.values(argument.members)) takeFrom(member);
    if (argument.from === "list") for (const item of argument.items) takeFrom(item);
    if (argument.from === "result")
      for (const { name } of scope.nodes) if (prefix + name === argument.step) taken.add(name);
  };
  const look = (each: NodeDefinition): void => {
    takeFrom(each.args);
    if (each.kind === "map") takeFrom(each.over);
    for (const { scope: inner } of scopesOf(each)) {
      takeFrom(inner.returns);
      for (const deeper of inner.nodes) look(deeper);
    }
  };
  look(node);
  taken.delete(node.name);
  return [...taken];
}
