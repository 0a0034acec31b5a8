import type { JsonValue } from "@viable/kernel";
import { canonicalJson } from "@viable/kernel";
import type { NodeDefinition, ScopeDefinition } from "../definition.ts";
import { scopesOf } from "../definition.ts";
import { identityOf } from "../definition-hash.ts";

/** Steps by their static paths, as `ship/label`. */
export interface GraphChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** What stands in the graph of them differs, as far as it makes another definition: their arguments, what they come after, which functions they have. */
  readonly changed: readonly string[];
}

/** What became of the steps of a graph. What it all comes to is `graph.returns`. */
export function compareGraphs(before: ScopeDefinition, now: ScopeDefinition): GraphChange {
  const [then, today] = [new Map(flatten(before, "graph.returns", "")), new Map(flatten(now, "graph.returns", ""))];
  return {
    added: [...today.keys()].filter((path) => !then.has(path)),
    removed: [...then.keys()].filter((path) => !today.has(path)),
    changed: [...today].filter(([path, text]) => then.has(path) && then.get(path) !== text).map(([path]) => path),
  };
}

/** Each step and what is said of it as text; what a scope inside of a step comes to has a place of its own, as `ship.returns`. */
function* flatten(scope: ScopeDefinition, returnsAt: string, prefix: string): Generator<readonly [string, string]> {
  for (const node of scope.nodes) {
    const path = prefix + node.name;
    yield [path, textOf(node)];
    for (const { mark, scope: inner } of scopesOf(node)) {
      const within = path + mark;
      yield* flatten(inner, `${within}.returns`, `${within}/`);
    }
  }
  yield [returnsAt, canonicalJson(scope.returns as unknown as JsonValue)];
}

/** What a step says itself that counts, and not what its steps inside say. */
function textOf(node: NodeDefinition): string {
  const said: Record<string, unknown> = { ...identityOf(node) };
  if (node.kind === "switch") said.branches = node.branches.map(({ name, when }) => ({ name, when }));
  delete said.scope;
  delete said.otherwise;
  return canonicalJson(said as JsonValue);
}
