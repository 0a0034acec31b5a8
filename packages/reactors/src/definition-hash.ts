import { createHash } from "node:crypto";
import type { JsonValue } from "@viable/kernel";
import { canonicalJson } from "@viable/kernel";
import type { NodeDefinition, ReactorDefinition, ScopeDefinition } from "./definition.ts";

/**
 * What is said of a step for people, or of how it is done: whoever goes on with a run keeps to what is said today, and reads its events as
 * before. What stands in an event, as the title of an approval that was asked for, is taken from there.
 */
const notReadBy: ReadonlySet<string> = new Set([
  ...["description", "title"],
  ...["pool", "timeoutMs", "retry", "maxRestarts", "maxTurns"],
]);

/** What tells definitions apart: all of it that a run's events are read by, in no order but that of a switch's branches. */
export function hashOf(
  definition: Pick<ReactorDefinition, "name" | "version" | "graph" | "reversible" | "children">,
): string {
  const { name, version, graph, reversible } = definition;
  const children = [...definition.children.values()].map((child) => [child.name, child.hash]).sort();
  const text = canonicalJson([name, version, ofScope(graph), reversible, children] as unknown as JsonValue);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** What of a step its events are read by; scopes inside of it are as they are. */
export const identityOf = <Node extends NodeDefinition>(node: Node): Node => ({
  ...(Object.fromEntries(Object.entries(node).filter(([setting]) => !notReadBy.has(setting))) as unknown as Node),
  after: node.after.toSorted(),
});

const ofScope = ({ nodes, returns }: ScopeDefinition): unknown => ({
  nodes: nodes.toSorted((one, other) => (one.name < other.name ? -1 : 1)).map(ofNode),
  returns,
});

function ofNode(said: NodeDefinition): unknown {
  const node = identityOf(said);
  switch (node.kind) {
    case "map":
    case "group":
    case "repeat":
      return { ...node, scope: ofScope(node.scope) };
    case "switch":
      return {
        ...node,
        branches: node.branches.map((branch) => ({ ...branch, scope: ofScope(branch.scope) })),
        ...(node.otherwise !== undefined && { otherwise: ofScope(node.otherwise) }),
      };
    default:
      return node;
  }
}
