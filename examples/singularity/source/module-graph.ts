import { cutList, maxFindings, maxSkipped, type Truncated } from "./cut-list.ts";
import type { Finding } from "./finding.ts";
import type { TypeScript } from "./parse-script.ts";
import { loadTypeScript } from "./parse-script.ts";
import type { ImportReference } from "./read-imports.ts";
import { readImports } from "./read-imports.ts";
import type { Script } from "./read-scripts.ts";
import { readScripts } from "./read-scripts.ts";
import type { SkippedPath, SourceTree } from "./read-tree.ts";
import { readTree } from "./read-tree.ts";
import { createResolver } from "./resolve-imports.ts";
import type { Task } from "./task.ts";
import type { TreePackage } from "./tree-packages.ts";
import { readPackages } from "./tree-packages.ts";

/** One module needs another. Several imports between the same two are one edge. */
export type Edge = {
  readonly from: string;
  readonly to: string;
  /** The first line that names it. */
  readonly line: number;
  /** `type` where all of its imports are gone at run time, `dynamic` where all that stay are `import()`, else `static`. */
  readonly kind: "static" | "dynamic" | "type";
};

/** An import that leads to a module of the tree. */
export interface ResolvedImport extends ImportReference {
  readonly to: string;
}

export interface ModuleGraph {
  readonly tree: SourceTree;
  readonly packages: readonly TreePackage[];
  /** In the order of their paths. */
  readonly modules: readonly string[];
  /** In the order of `from`, then as written. */
  readonly edges: readonly Edge[];
  readonly importsOf: ReadonlyMap<string, readonly ResolvedImport[]>;
  /** Packages from outside by name, with how many modules import them. */
  readonly externals: ReadonlyMap<string, number>;
  readonly findings: readonly Finding[];
}

/** Reads the modules under a path and who imports whom. `visit` sees each parsed module, so that one parse serves more than the graph. */
export async function readModuleGraph(
  path: string,
  task: Task,
  visit?: (script: Script, typescript: TypeScript) => void,
): Promise<ModuleGraph> {
  const tree = await readTree(path, task);
  const typescript = loadTypeScript();
  const { packages, findings } = await readPackages(tree);
  const references = new Map<string, ImportReference[]>();
  findings.push(
    ...(await readScripts(typescript, tree, task, "Reading imports", (script) => {
      references.set(script.file.path, readImports(typescript, script.source));
      visit?.(script, typescript);
    })),
  );

  const resolver = createResolver(typescript, tree, packages);
  const edges: Edge[] = [];
  const importsOf = new Map<string, ResolvedImport[]>();
  const externals = new Map<string, number>();
  let count = 0;
  for (const [from, list] of references) {
    // Resolution is all computing: let an abort come through from time to time.
    if (count++ % 100 === 0) await new Promise((done) => setImmediate(done));
    task.signal.throwIfAborted();
    const imports: ResolvedImport[] = [];
    const names = new Set<string>();
    for (const reference of list) {
      const found = resolver.resolve(reference, from);
      if (found.kind === "module") {
        if (references.has(found.path)) imports.push({ ...reference, to: found.path });
      } else if (found.kind === "external") names.add(found.name);
      else if (found.kind === "unresolved") {
        const message = `${JSON.stringify(reference.specifier)} leads to no file of the tree and is no package name.`;
        findings.push({ kind: "import.unresolved", file: from, line: reference.line, message });
      }
    }
    importsOf.set(from, imports);
    edges.push(...toEdges(from, imports));
    for (const name of names) externals.set(name, (externals.get(name) ?? 0) + 1);
  }
  return {
    tree,
    packages,
    modules: [...references.keys()],
    edges,
    importsOf,
    externals,
    findings: [...tree.findings, ...findings, ...resolver.findings],
  };
}

function toEdges(from: string, imports: readonly ResolvedImport[]): Edge[] {
  const byTarget = new Map<string, Edge>();
  for (const each of imports) {
    const kind = each.typeOnly ? "type" : each.kind === "dynamic" ? "dynamic" : "static";
    const known = byTarget.get(each.to);
    if (known === undefined) byTarget.set(each.to, { from, to: each.to, line: each.line, kind });
    else if (strength[kind] > strength[known.kind]) byTarget.set(each.to, { ...known, kind });
  }
  return [...byTarget.values()];
}

const strength = { type: 0, dynamic: 1, static: 2 } as const;

/** What every result about a tree ends with: what was left out and what is wrong, both bounded. */
export function aboutTree(
  tree: SourceTree,
  findings: readonly Finding[],
  truncated: Truncated,
): { skipped: SkippedPath[]; findings: Finding[]; truncated: Truncated } {
  return {
    skipped: cutList("skipped", tree.skipped, maxSkipped, truncated),
    findings: cutList("findings", findings, maxFindings, truncated),
    truncated,
  };
}
