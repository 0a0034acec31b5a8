import type { ReactorView } from "@viable/protocol";
import { z } from "zod";
import type { ReactorDefinition } from "./definition.ts";
import { nodesOf } from "./definition.ts";

/**
 * The reactors that are here, by name: what a new run of each begins with, and what else runs can be carried on with. `openRuns` says of
 * how many there are runs without an outcome.
 */
export function describeReactors(
  definitions: readonly ReactorDefinition[],
  openRuns: Iterable<readonly [reactor: string, count: number]>,
): ReactorView[] {
  const open = new Map(openRuns);
  const named = Map.groupBy(definitions, ({ name }) => name);
  return [...named.values()].map((versions) => {
    const sorted = versions.toSorted((one, other) => other.version - one.version);
    const newest = sorted[0] as ReactorDefinition;
    return {
      name: newest.name,
      description: newest.description,
      version: newest.version,
      hash: newest.hash,
      versions: sorted.map(({ version, hash }) => ({ version, hash })),
      input: z.toJSONSchema(newest.input, { io: "input", unrepresentable: "any" }) as ReactorView["input"],
      steps: [...nodesOf(newest.graph)].length,
      isReversible: newest.reversible,
      ...(newest.timeoutMs !== undefined && { timeoutMs: newest.timeoutMs }),
      openRuns: open.get(newest.name) ?? 0,
    };
  });
}
