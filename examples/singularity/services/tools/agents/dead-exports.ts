import { threadAgent } from "viable";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import type { Finding } from "../../../source/finding.ts";
import { aboutTree, readModuleGraph } from "../../../source/module-graph.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";
import { findDeadExports } from "../find-dead-exports.ts";
import { type ExportedName, readExports } from "../read-exports.ts";

const maxExports = 1_000;
const maxFilesNamed = 500;

/** What is exported and imported by nobody. */
export const deadExports = threadAgent({
  name: "dead-exports",
  capability: "code_analysis.dead_exports",
  description: "Exports that no module of the tree imports and no package offers",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path }) {
    const exportsOf = new Map<string, ExportedName[]>();
    const graph = await readModuleGraph(path, ctx, ({ file, source }, typescript) => {
      exportsOf.set(file.path, readExports(typescript, source));
    });
    const dead = findDeadExports(graph, exportsOf);
    const findings: Finding[] = dead.unmapped.map(({ folder, target }) => ({
      kind: "manifest.no_source",
      file: folder === "" ? "package.json" : `${folder}/package.json`,
      message: `No source was found for ${target}: what it offers may be listed as dead.`,
    }));
    const truncated: Truncated = {};
    return {
      count: dead.exports.length,
      exports: cutList("exports", dead.exports, maxExports, truncated),
      unreferenced: cutList("unreferenced", dead.unreferenced, maxFilesNamed, truncated),
      entries: cutList("entries", dead.entries, maxFilesNamed, truncated),
      ...aboutTree(graph.tree, [...graph.findings, ...findings], truncated),
    };
  },
});
