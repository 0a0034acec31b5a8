import { isDeclaration, isTest } from "../../source/languages.ts";
import type { ModuleGraph } from "../../source/module-graph.ts";
import { findAllEntries } from "../../source/tree-packages.ts";
import type { ExportedName } from "./read-exports.ts";

export type DeadExport = {
  readonly file: string;
  readonly line: number;
  readonly name: string;
  /** Whether its own module uses it: then only the word `export` can go. */
  readonly isUsedInside: boolean;
};

export interface DeadExports {
  readonly exports: readonly DeadExport[];
  /** Modules that nobody imports and no manifest names: scripts, pages of a framework, or dead as a whole. Their exports are not judged. */
  readonly unreferenced: readonly string[];
  readonly entries: readonly string[];
  /** Targets of manifests whose source was not found, by package folder. */
  readonly unmapped: readonly { readonly folder: string; readonly target: string }[];
}

/**
 * Finds exports that no module of the tree imports. Alive are: what a package offers by its manifest, and all that it hands
 * on from there; what somebody names in an import; all of a module that somebody takes whole. Tests, configs and scripts that
 * nobody imports export to tools, so theirs are not judged.
 */
export function findDeadExports(
  graph: ModuleGraph,
  exportsOf: ReadonlyMap<string, readonly ExportedName[]>,
): DeadExports {
  const paths = new Set(graph.modules);
  const entries = new Set<string>();
  const unmapped: { folder: string; target: string }[] = [];
  for (const each of graph.packages) {
    const found = findAllEntries(each, paths);
    for (const entry of found.entries) entries.add(entry);
    unmapped.push(...found.unmapped.map((target) => ({ folder: each.folder, target })));
  }

  const alive = new Map<string, Set<string>>();
  const wholly = new Set<string>();
  const waiting: { file: string; name: string }[] = [];
  const use = (file: string, name: string): void => {
    const names = alive.get(file) ?? new Set<string>();
    alive.set(file, names);
    if (names.has(name)) return;
    names.add(name);
    waiting.push({ file, name });
  };

  for (const entry of entries) use(entry, "*");
  for (const imports of graph.importsOf.values()) {
    for (const each of imports) {
      if (each.kind === "export") continue;
      for (const name of each.names === "all" ? ["*"] : each.names) use(each.to, name);
    }
  }
  // A name that is alive in a module that hands it on is alive where it comes from.
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { file, name } = next;
    if (name === "*") wholly.add(file);
    for (const each of graph.importsOf.get(file) ?? []) {
      if (each.kind !== "export") continue;
      if (each.names !== "all") {
        for (const [index, handedOn] of each.names.entries()) {
          if (name === "*" || each.handedOnAs?.[index] === name) use(each.to, handedOn);
        }
      } else if (each.handedOnAs === undefined) use(each.to, name);
      else if (name === "*" || each.handedOnAs.includes(name)) use(each.to, "*");
    }
  }

  const imported = new Set(graph.edges.filter((edge) => edge.from !== edge.to).map((edge) => edge.to));
  const exports: DeadExport[] = [];
  const unreferenced: string[] = [];
  for (const file of graph.modules) {
    if (entries.has(file) || isTest(file) || isDeclaration(file)) continue;
    if (!imported.has(file)) {
      unreferenced.push(file);
      continue;
    }
    if (wholly.has(file)) continue;
    for (const each of exportsOf.get(file) ?? []) {
      if (!alive.get(file)?.has(each.name)) exports.push({ file, ...each });
    }
  }
  return { exports, unreferenced, entries: [...entries].sort(), unmapped };
}
