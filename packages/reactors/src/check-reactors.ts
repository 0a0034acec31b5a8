import { ViableError } from "@viable/kernel";
import type { ReactorDefinition } from "./definition.ts";
import { nodesOf } from "./definition.ts";
import { findDifference } from "./find-difference.ts";
import { maxPoolChars } from "./find-node-problem.ts";
import { nearTo } from "./json-errors.ts";
import type { ProcessManager } from "./process-manager.ts";

/** How many steps of a pool may run at the same time: more is no bound. */
const maxPoolSize = 10_000;

/** What reactors of a config have to do with besides each other. */
export interface AroundReactors {
  /** What the system's agents can do. */
  readonly capabilities: readonly string[];
  readonly managers: readonly ProcessManager[];
}

/**
 * Checks what only shows when a config's reactors stand together: a name and version given to two that differ, a pool without a size. Those that
 * they compose are checked with them. With what is around them: a task that no agent can do, in versions that new runs begin with, and an event
 * that a process manager sends and no step waits for. Throws `config.invalid` with the path and the reason.
 */
export function checkReactors(
  definitions: readonly ReactorDefinition[],
  pools: { readonly [name: string]: number },
  around?: AroundReactors,
): void {
  for (const [pool, size] of Object.entries(pools)) {
    if (pool === "" || pool.length > maxPoolChars)
      throw invalid(`pools.${pool}`, `its name must be 1 to ${maxPoolChars} characters`);
    if (!Number.isInteger(size) || size < 1 || size > maxPoolSize)
      throw invalid(`pools.${pool}`, `must be a whole number from 1 to ${maxPoolSize}`);
  }
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
  if (around === undefined) return;
  checkTasks(newestOf(definitions), new Set(around.capabilities));
  checkSent([...known.values()], around.managers);
}

/** Runs under way keep to older versions, and may be past a task that nobody can do any more: only those that new runs begin with are looked at. */
const newestOf = (definitions: readonly ReactorDefinition[]): readonly ReactorDefinition[] =>
  definitions.filter(({ name, version }) => !definitions.some((each) => each.name === name && each.version > version));

function checkTasks(definitions: readonly ReactorDefinition[], capabilities: ReadonlySet<string>): void {
  const begun = new Set(definitions);
  // A set is gone through with what is added to it meanwhile.
  for (const { name, graph, children } of begun) {
    for (const child of children.values()) begun.add(child);
    for (const { node, path } of nodesOf(graph))
      if (node.kind === "task" && !capabilities.has(node.capability))
        throw invalid(
          `reactors.${name}`,
          `the step "${path}" has a task for "${node.capability}", which no agent of the system can do${nearTo(node.capability, capabilities)}`,
        );
  }
}

/** What is sent is there for the runs of all reactors, whichever the manager begins runs of. */
function checkSent(definitions: readonly ReactorDefinition[], managers: readonly ProcessManager[]): void {
  const awaited = new Set<string>();
  for (const { graph } of definitions)
    for (const { node } of nodesOf(graph)) if (node.kind === "event") awaited.add(node.event);
  for (const { name, on } of managers)
    for (const [nr, { sends }] of on.entries())
      if (sends !== undefined && !awaited.has(sends))
        throw invalid(
          `projections.${name}`,
          `on.${nr} sends "${sends}", which no step of the system's reactors waits for${nearTo(sends, awaited)}`,
        );
}

const invalid = (path: string, reason: string): ViableError =>
  new ViableError("config.invalid", `${path}: ${reason}.`, { details: { path } });
