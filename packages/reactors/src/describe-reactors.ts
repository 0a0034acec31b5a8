import type { ReactorView } from "@viable/protocol";
import { z } from "zod";
import type { ReactorDefinition } from "./definition.ts";
import { nodesOf } from "./definition.ts";
import type { OpenRun } from "./open-run.ts";

/** The reactors that are here, by name: what a new run of each begins with, and what else runs can be carried on with. */
export function describeReactors(
  definitions: readonly ReactorDefinition[],
  openRuns: Iterable<OpenRun>,
): ReactorView[] {
  const open = new Map<string, number>();
  for (const { reactor } of openRuns) open.set(reactor, (open.get(reactor) ?? 0) + 1);
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
