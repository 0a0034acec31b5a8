import { z } from "zod";
import type { Argument } from "./argument.ts";
import { sourcesOf } from "./argument.ts";
import type { NodeDefinition, ReactorDefinition, ScopeDefinition, StepFunction } from "./definition.ts";
import { scopesOf } from "./definition.ts";
import { invalidDefinition } from "./errors.ts";
import { findNodeProblem } from "./find-node-problem.ts";

/** How many steps a definition may have in all: it is read and drawn by people. Elements of a map and turns of a repeat do not count. */
const maxNodes = 2_000;
/** How deep scopes may stand in scopes. */
const maxDepth = 16;
/** How many reactors may stand in one another: each is a run that waits for the one in it, and whoever asks after one walks up to the first. */
const maxComposed = 50;

/** A definition made ready to be run: who waits for whom, in numbers. */
export interface Plan {
  readonly definition: ReactorDefinition;
  readonly root: PlanScope;
  /** Every node, in every scope, by its static path. */
  readonly nodes: ReadonlyMap<string, PlanNode>;
  /** Paths of the steps that lead to the reactor that stands deepest in it, the outermost first. */
  readonly deepest: readonly string[];
}

export interface PlanScope {
  readonly nodes: readonly PlanNode[];
  readonly returns: Argument;
  /** Before the names of its steps: empty, or `ship/`. */
  readonly prefix: string;
  readonly byName: ReadonlyMap<string, PlanNode>;
}

export interface PlanNode {
  readonly node: NodeDefinition;
  /** Static: without the numbers of elements and turns. */
  readonly path: string;
  readonly index: number;
  /** How many of its scope it waits for. */
  readonly waitsFor: number;
  /** Who of its scope waits for it. */
  readonly dependents: readonly number[];
  /** The scopes inside of it, by what the path has after its name: empty, or `:card`. */
  readonly scopes: ReadonlyMap<string, PlanScope>;
  /** The function that plays a role, if it has one. */
  readonly functions: { readonly [role: string]: StepFunction | undefined };
}

const plans = new WeakMap<ReactorDefinition, Plan>();

/** The plan of a definition. Throws `reactor.invalid_definition`, naming the step, where it cannot be run. */
export function planOf(definition: ReactorDefinition): Plan {
  let plan = plans.get(definition);
  if (plan === undefined) {
    const root = new Planner(definition).scope(definition.graph, "", []);
    const nodes = new Map([...allNodes(root)].map((node) => [node.path, node]));
    plan = { definition, root, nodes, deepest: deepestOf(definition, nodes.values()) };
    plans.set(definition, plan);
  }
  return plan;
}

function deepestOf({ name, children }: ReactorDefinition, nodes: Iterable<PlanNode>): readonly string[] {
  let deepest: readonly string[] = [];
  for (const { node, path } of nodes) {
    const child = node.kind === "compose" ? children.get(node.reactor) : undefined;
    if (child === undefined) continue;
    const below = planOf(child).deepest;
    if (below.length + 1 > deepest.length) deepest = [path, ...below];
  }
  if (deepest.length < maxComposed) return deepest;
  throw invalidDefinition(name, deepest.join(" > "), `composes reactors more than ${maxComposed} deep`);
}

function* allNodes(scope: PlanScope): Generator<PlanNode> {
  for (const node of scope.nodes) {
    yield node;
    for (const inner of node.scopes.values()) yield* allNodes(inner);
  }
}

/** One of a scope's steps and all that come after it, as their indexes; undefined where it has none of that name. */
export function fromOn(scope: PlanScope, name: string): ReadonlySet<number> | undefined {
  const first = scope.byName.get(name);
  if (first === undefined) return undefined;
  const found = new Set([first.index]);
  // A set is gone through with what is added to it meanwhile.
  for (const index of found) for (const dependent of scope.nodes[index]?.dependents ?? []) found.add(dependent);
  return found;
}

/** A path in a run as it stands in the definition: without the numbers of elements and turns. */
export const staticPath = (path: string): string => path.replaceAll(/\[[0-9]+\]/g, "");

/** What can be seen from a scope: itself and those around it, from the outermost. */
interface Level {
  readonly prefix: string;
  readonly scope: ScopeDefinition;
  /** Of the node that the next level is inside of. */
  readonly inside?: NodeDefinition;
}

class Planner {
  readonly #definition: ReactorDefinition;
  readonly #inputMembers: ReadonlySet<string> | undefined;
  #nodes = 0;

  constructor(definition: ReactorDefinition) {
    this.#definition = definition;
    this.#inputMembers = membersOf(definition.input);
  }

  scope(scope: ScopeDefinition, prefix: string, around: readonly Level[]): PlanScope {
    const at = prefix === "" ? "graph" : prefix.slice(0, -1);
    if (around.length >= maxDepth) throw this.#invalid(at, `nested deeper than ${maxDepth} scopes`);
    this.#nodes += scope.nodes.length;
    if (this.#nodes > maxNodes) throw this.#invalid(at, `more than ${maxNodes} steps`);
    const names = new Map<string, number>();
    for (const [index, node] of scope.nodes.entries()) {
      const { name } = node;
      const seen = names.has(name) || around.some((level) => level.scope.nodes.some((node) => node.name === name));
      if (seen) throw this.#invalid(prefix + name, "another step that can be seen here has that name");
      names.set(name, index);
      const problem = findNodeProblem(node);
      if (problem !== undefined) throw this.#invalid(prefix + name, problem);
    }
    const here: Level = { prefix, scope };
    const inner = scope.nodes.map((node) =>
      scopesOf(node).map(({ mark, scope: each }) => {
        const levels = [...around, { ...here, inside: node }];
        return [mark, this.scope(each, `${prefix}${node.name}${mark}/`, levels)] as const;
      }),
    );
    const waitsFor = scope.nodes.map((node) => this.#dependencies(node, here, around, names));
    this.#checkSources(scope.returns, `${at}.returns`, here, around);
    this.#checkNoCycle(scope, prefix, waitsFor);
    const dependents = scope.nodes.map((): number[] => []);
    for (const [index, each] of waitsFor.entries()) for (const on of each) dependents[on]?.push(index);
    const nodes = scope.nodes.map(
      (node, index): PlanNode => ({
        node,
        path: prefix + node.name,
        index,
        waitsFor: waitsFor[index]?.size ?? 0,
        dependents: dependents[index] ?? [],
        scopes: new Map(inner[index]),
        functions: this.#functions(node, prefix + node.name),
      }),
    );
    return { nodes, returns: scope.returns, prefix, byName: new Map(nodes.map((each) => [each.node.name, each])) };
  }

  /** Which nodes of its scope a node waits for: those it takes from, itself or in a scope inside of it, and those it comes after. */
  #dependencies(
    node: NodeDefinition,
    here: Level,
    around: readonly Level[],
    names: ReadonlyMap<string, number>,
  ): Set<number> {
    const path = here.prefix + node.name;
    const found = new Set<number>();
    for (const name of node.after) {
      const index = names.get(name);
      if (index === undefined) throw this.#invalid(path, `comes after "${name}", which is no step beside it`);
      found.add(index);
    }
    const take = (argument: Argument, where: string) => {
      for (const step of this.#checkSources(argument, where, here, around)) {
        const index = step.startsWith(here.prefix) ? names.get(step.slice(here.prefix.length)) : undefined;
        if (index !== undefined) found.add(index);
      }
    };
    take(node.args, path);
    if (node.kind === "map") take(node.over, `${path}.over`);
    // What steps inside take from this scope, the whole node waits for.
    const visit = (scope: ScopeDefinition) => {
      const mine = (argument: Argument) => {
        for (const source of sourcesOf(argument)) {
          if (source.from !== "result" || !source.step.startsWith(here.prefix)) continue;
          const index = names.get(source.step.slice(here.prefix.length));
          if (index !== undefined) found.add(index);
        }
      };
      mine(scope.returns);
      for (const inside of scope.nodes) {
        mine(inside.args);
        if (inside.kind === "map") mine(inside.over);
        for (const { scope: deeper } of scopesOf(inside)) visit(deeper);
      }
    };
    for (const { scope } of scopesOf(node)) visit(scope);
    return found;
  }

  /** Refuses what is not there to be taken; answers the steps that are taken from. */
  #checkSources(argument: Argument, where: string, here: Level, around: readonly Level[]): string[] {
    const levels = [...around, here];
    const steps: string[] = [];
    for (const source of sourcesOf(argument)) {
      if (source.from === "input") {
        const [member] = source.path;
        if (member !== undefined && this.#inputMembers?.has(member) === false)
          throw this.#invalid(where, `takes "${member}", which the input does not have`);
      } else if (source.from === "result") {
        const there = levels.some(({ prefix, scope }) => scope.nodes.some(({ name }) => prefix + name === source.step));
        if (!there)
          throw this.#invalid(
            where,
            `takes the result of "${source.step}", which never is there: no step that it can see has that path`,
          );
        steps.push(source.step);
      } else if (source.from === "element" || source.from === "index") {
        const there = around.some(
          ({ prefix, inside }) =>
            inside !== undefined &&
            (inside.kind === "map" || inside.kind === "repeat") &&
            prefix + inside.name === source.of,
        );
        if (!there) throw this.#invalid(where, `takes an element of "${source.of}", and does not stand in it`);
      }
    }
    return steps;
  }

  #checkNoCycle(scope: ScopeDefinition, prefix: string, waitsFor: readonly ReadonlySet<number>[]): void {
    const done = new Set<number>();
    const onTheWay: number[] = [];
    const visit = (index: number): void => {
      if (done.has(index)) return;
      const from = onTheWay.indexOf(index);
      if (from >= 0) {
        const cycle = [...onTheWay.slice(from), index].map((each) => prefix + scope.nodes[each]?.name);
        throw this.#invalid(cycle[0] as string, `waits for itself: ${cycle.join(" → ")}`);
      }
      onTheWay.push(index);
      for (const on of waitsFor[index] ?? []) visit(on);
      onTheWay.pop();
      done.add(index);
    };
    for (const index of scope.nodes.keys()) visit(index);
  }

  #functions(node: NodeDefinition, path: string): PlanNode["functions"] {
    const named: Record<string, string | undefined> = {};
    for (const role of ["run", "where", "guard", "compensate", "undo", "findOutcome", "until", "onFailure"]) {
      const name = (node as unknown as Record<string, unknown>)[role];
      if (typeof name === "string") named[role] = name;
    }
    if (node.kind === "switch") for (const { name, when } of node.branches) named[`when:${name}`] = when;
    const functions: Record<string, StepFunction | undefined> = {};
    for (const [role, name] of Object.entries(named)) {
      const run = this.#definition.functions.get(name as string);
      if (run === undefined) throw this.#invalid(path, `there is no function named "${name}"`);
      functions[role] = run;
    }
    // What judges what came from outside has no place of its own in the graph.
    for (const role of ["payload", "result"]) functions[role] = this.#definition.functions.get(`${path}.${role}`);
    if (node.kind === "compose" && !this.#definition.children.has(node.reactor))
      throw this.#invalid(path, `there is no reactor "${node.reactor}" to compose`);
    return functions;
  }

  #invalid(path: string, reason: string): Error {
    return invalidDefinition(this.#definition.name, path, reason);
  }
}

/** The members an input has, where its schema says so and allows no others. */
export function membersOf(input: z.ZodType): ReadonlySet<string> | undefined {
  const { type, properties, additionalProperties } = z.toJSONSchema(input, { io: "output", unrepresentable: "any" });
  if (type !== "object" || properties === undefined || additionalProperties !== false) return undefined;
  return new Set(Object.keys(properties));
}
