import { byText } from "../../source/by-text.ts";
import { isDeclaration, isTest } from "../../source/languages.ts";
import type { ModuleGraph, ResolvedImport } from "../../source/module-graph.ts";
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

/** Stands for a module taken whole, and for all that `export *` hands on of it. */
const whole = "*";
const allButDefault = "* without default";

const covers = (used: string, exported: string): boolean =>
  used === whole || used === exported || (used === allButDefault && exported !== "default");

/**
 * Finds exports that no module of the tree imports. Alive are: what a package offers by its manifest, and all that it hands
 * on from there; what somebody names in an import; all of a module that somebody takes whole. Tests, configs and scripts that
 * nobody imports export to tools, so theirs are not judged.
 */
export function findDeadExports(
  graph: ModuleGraph,
  exportsOf: ReadonlyMap<string, readonly ExportedName[]>,
): DeadExports {
  const { entries, unmapped } = readEntries(graph);
  const used = followUses(graph, entries);
  const imported = new Set(graph.edges.filter((edge) => edge.from !== edge.to).map((edge) => edge.to));
  const exports: DeadExport[] = [];
  const unreferenced: string[] = [];
  for (const file of graph.modules) {
    if (entries.has(file) || isTest(file) || isDeclaration(file)) continue;
    if (!imported.has(file)) {
      unreferenced.push(file);
      continue;
    }
    const names = [...(used.get(file) ?? [])];
    for (const each of exportsOf.get(file) ?? []) {
      if (!names.some((name) => covers(name, each.name))) exports.push({ file, ...each });
    }
  }
  return { exports, unreferenced, entries: [...entries].sort(byText), unmapped };
}

function readEntries(graph: ModuleGraph): { entries: Set<string>; unmapped: { folder: string; target: string }[] } {
  const paths = new Set(graph.modules);
  const entries = new Set<string>();
  const unmapped: { folder: string; target: string }[] = [];
  for (const each of graph.packages) {
    const found = findAllEntries(each, paths);
    for (const entry of found.entries) entries.add(entry);
    unmapped.push(...found.unmapped.map((target) => ({ folder: each.folder, target })));
  }
  return { entries, unmapped };
}

/** Which names of which module are used. A name used of a module that hands it on is used where it comes from. */
function followUses(graph: ModuleGraph, entries: ReadonlySet<string>): Map<string, Set<string>> {
  const used = new Map<string, Set<string>>();
  const waiting: { file: string; name: string }[] = [];
  const use = (file: string, name: string): void => {
    const names = used.get(file) ?? new Set<string>();
    used.set(file, names);
    if (names.has(name)) return;
    names.add(name);
    waiting.push({ file, name });
  };
  for (const entry of entries) use(entry, whole);
  for (const each of [...graph.importsOf.values()].flat()) {
    if (each.kind === "export") continue;
    for (const name of each.names === "all" ? [whole] : each.names) use(each.to, name);
  }
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const each of graph.importsOf.get(next.file) ?? []) {
      if (each.kind === "export") for (const name of handedOn(each, next.name)) use(each.to, name);
    }
  }
  return used;
}

/** What an `export … from` takes from its source when `name` is used of the module it stands in. */
function handedOn({ names, handedOnAs }: ResolvedImport, name: string): readonly string[] {
  if (names !== "all") return names.filter((_, index) => covers(name, handedOnAs?.[index] ?? ""));
  if (handedOnAs !== undefined) return handedOnAs.some((each) => covers(name, each)) ? [whole] : [];
  // `export *` hands on everything but the default.
  if (name === "default") return [];
  return [name === whole ? allButDefault : name];
}
