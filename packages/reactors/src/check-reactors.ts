import { ViableError } from "@viable/kernel";
import type { ReactorDefinition } from "./definition.ts";
import { nodesOf } from "./definition.ts";
import { findDifference } from "./find-difference.ts";

/** How many steps of a pool may run at the same time: more is no bound. */
const maxPoolSize = 10_000;

/**
 * Checks what only shows when a config's reactors stand together: a name and version given to two that differ, a pool without a size. Those that
 * they compose are checked with them. Throws `config.invalid` with the path and the reason.
 */
export function checkReactors(
  definitions: readonly ReactorDefinition[],
  pools: { readonly [name: string]: number },
): void {
  for (const [pool, size] of Object.entries(pools))
    if (!Number.isInteger(size) || size < 1 || size > maxPoolSize)
      throw invalid(`pools.${pool}`, `must be a whole number from 1 to ${maxPoolSize}`);
  const known = new Map<string, ReactorDefinition>();
  const check = (definition: ReactorDefinition): void => {
    const { name, version } = definition;
    const same = known.get(JSON.stringify([name, version]));
    const difference = same && findDifference(same, definition);
    if (difference !== undefined)
      throw invalid(
        `reactors.${name}`,
        `two reactors "${name}" have version ${version}, and differ in ${difference}; raise the version of the newer one, or name one of them`,
      );
    if (same !== undefined) return;
    known.set(JSON.stringify([name, version]), definition);
    for (const { node, path } of nodesOf(definition.graph))
      if (node.kind === "step" && node.pool !== undefined && !Object.hasOwn(pools, node.pool))
        throw invalid(
          `reactors.${name}`,
          `the step "${path}" takes turns in the pool "${node.pool}", which has no size; say pools: { "${node.pool}": 5 }`,
        );
    for (const child of definition.children.values()) check(child);
  };
  for (const definition of definitions) check(definition);
}

const invalid = (path: string, reason: string): ViableError =>
  new ViableError("config.invalid", `${path}: ${reason}.`, { details: { path } });
