import { threadAgent } from "viable";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { aboutTree, readModuleGraph } from "../../../source/module-graph.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";
import { findCycles } from "../find-cycles.ts";

const maxCycles = 500;
/** Members named of one circle; a knot of hundreds is not untangled by reading their names. */
const maxMembers = 100;

/** Which modules import each other in a circle. */
export const cycles = threadAgent({
  name: "cycles",
  capability: "component_analysis.cycles",
  description: "Circles of imports: the files of each and one shortest way round",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path }) {
    const { tree, modules, edges, findings } = await readModuleGraph(path, ctx);
    const truncated: Truncated = {};
    const found = findCycles(modules, edges);
    return {
      count: found.length,
      runtime: found.filter((cycle) => cycle.kind === "runtime").length,
      cycles: cutList("cycles", found, maxCycles, truncated).map((cycle) => ({
        path: [...cycle.path],
        kind: cycle.kind,
        size: cycle.members.length,
        members: cutList("members", cycle.members, maxMembers, truncated),
      })),
      ...aboutTree(tree, findings, truncated),
    };
  },
});
