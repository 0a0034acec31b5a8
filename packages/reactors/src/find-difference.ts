import { isDeepStrictEqual } from "node:util";
import type { ReactorDefinition } from "./definition.ts";
import { isSameInput } from "./input-json.ts";

/**
 * In what two definitions of one name differ, as words that follow "differ in"; undefined where runs can be carried on with either. The hash
 * does not tell of functions and settings, and which of them held would be decided by the order of a list.
 */
export function findDifference(one: ReactorDefinition, other: ReactorDefinition): string | undefined {
  if (one === other) return undefined;
  if (one.version !== other.version) return "their version";
  if (one.hash !== other.hash) return "their graphs";
  for (const setting of ["description", "timeoutMs", "maxConcurrency"] as const)
    if (one[setting] !== other[setting]) return `their ${setting}`;
  if (!isSameInput(one.input, other.input)) return "their input";
  if (!isDeepStrictEqual(one.graph, other.graph)) return "settings of their steps, or the order of these";
  for (const name of new Set([...one.functions.keys(), ...other.functions.keys()]))
    if (one.functions.get(name) !== other.functions.get(name)) return `the function ${name}`;
  for (const [name, child] of one.children) {
    const difference = findDifference(child, other.children.get(name) as ReactorDefinition);
    if (difference !== undefined) return `what they compose: in "${name}", ${difference}`;
  }
  return undefined;
}
