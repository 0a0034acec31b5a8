import { threadAgent } from "viable";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { aboutTree, readModuleGraph } from "../../../source/module-graph.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";

/** Edges listed in one result: at two paths each they fill half of what an event holds. */
const maxEdges = 12_000;
const maxExternals = 500;

/** Which modules there are and which imports which. */
export const graph = threadAgent({
  name: "graph",
  capability: "component_analysis.graph",
  description: "Modules of a TypeScript or JavaScript tree and the imports between them",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path }) {
    const { tree, modules, edges, externals, findings } = await readModuleGraph(path, ctx);
    const truncated: Truncated = {};
    const packages = [...externals].map(([name, importers]) => ({ name, importers }));
    packages.sort((a, b) => b.importers - a.importers);
    return {
      modules: modules.length,
      edges: edges.length,
      files: [...modules],
      imports: cutList("imports", edges, maxEdges, truncated),
      externals: cutList("externals", packages, maxExternals, truncated),
      ...aboutTree(tree, findings, truncated),
    };
  },
});
