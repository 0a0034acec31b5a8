import { createHash } from "node:crypto";
import type { JsonValue } from "@viable/kernel";
import { canonicalJson } from "@viable/kernel";
import type { ReactorDefinition } from "./definition.ts";

/** What tells definitions apart: all of it that a run's events are read by. What is said for people, and what functions do, is not. */
export function hashOf(
  definition: Pick<ReactorDefinition, "name" | "version" | "graph" | "reversible" | "children">,
): string {
  const { name, version, graph, reversible } = definition;
  const children = [...definition.children.values()].map((child) => [child.name, child.hash]).sort();
  const text = canonicalJson([name, version, withoutWords(graph), reversible, children] as unknown as JsonValue);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** Without descriptions: a constant that happens to be called so stands under `value`, and is kept. */
function withoutWords(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutWords);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== "description")
      .map(([name, member]) => [name, name === "value" ? member : withoutWords(member)]),
  );
}
