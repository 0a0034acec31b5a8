import type { Sources } from "./argument.ts";
import type { OpenNode } from "./open-node.ts";
import type { PlanScope } from "./plan.ts";

/** Steps that see each other, while they are done; and what their arguments are taken from. */
export class OpenScope implements Sources {
  readonly plan: PlanScope;
  readonly prefix: string;
  readonly owner: OpenNode | undefined;
  /** What its steps came to, by their indexes; undefined where they have no outcome. */
  readonly results: unknown[];
  /** How many outcomes each of its steps waits for yet. */
  readonly missing: number[];
  /** How many of its steps have no outcome. */
  left: number;
  /** Of an element or a turn: its number, from 0, and what it is done for. */
  readonly number: number;
  readonly mapped: unknown;
  readonly #run: { readonly input: unknown };

  constructor(
    run: { readonly input: unknown },
    plan: PlanScope,
    prefix: string,
    owner: OpenNode | undefined,
    element: unknown,
    number: number,
  ) {
    this.#run = run;
    this.plan = plan;
    this.prefix = prefix;
    this.owner = owner;
    this.results = new Array(plan.nodes.length);
    this.missing = plan.nodes.map((node) => node.waitsFor);
    this.left = plan.nodes.length;
    this.mapped = element;
    this.number = number;
  }

  get input(): unknown {
    return this.#run.input;
  }

  result(step: string): unknown {
    let scope: OpenScope | undefined = this;
    for (; scope !== undefined; scope = scope.owner?.scope) {
      const { prefix, byName } = scope.plan;
      const node = step.startsWith(prefix) ? byName.get(step.slice(prefix.length)) : undefined;
      if (node !== undefined) return scope.results[node.index];
    }
    return undefined;
  }

  element(of: string): unknown {
    return this.#within(of)?.mapped;
  }

  index(of: string): number {
    return this.#within(of)?.number ?? 0;
  }

  #within(of: string): OpenScope | undefined {
    let scope: OpenScope | undefined = this;
    while (scope !== undefined && scope.owner?.plan.path !== of) scope = scope.owner?.scope;
    return scope;
  }
}
