import { createHash } from "node:crypto";
import type { JsonValue } from "@viable/kernel";
import { canonicalJson } from "@viable/kernel";
import type { NodeDefinition, ReactorDefinition, ScopeDefinition } from "./definition.ts";

/** What tells definitions apart: all of it that a run's events are read by. What is said for people, and what functions do, is not. */
export function hashOf(
  definition: Pick<ReactorDefinition, "name" | "version" | "graph" | "reversible" | "children">,
): string {
  const { name, version, graph, reversible } = definition;
  const children = [...definition.children.values()].map((child) => [child.name, child.hash]).sort();
  const text = canonicalJson([name, version, ofScope(graph), reversible, children] as unknown as JsonValue);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

const ofScope = ({ nodes, returns }: ScopeDefinition): unknown => ({ nodes: nodes.map(ofNode), returns });

function ofNode({ description: _, ...node }: NodeDefinition): unknown {
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
