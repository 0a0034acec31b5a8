import { service } from "viable";
import { cycles } from "./agents/cycles.ts";
import { design } from "./agents/design.ts";
import { graph } from "./agents/graph.ts";
import { layers } from "./agents/layers.ts";

/** System design and component analysis of a real code base. */
export const architecture = service({
  name: "architecture",
  description: "System design and component analysis: modules, imports, circles, layers, a proposed structure",
  port: 4001,
  agents: [graph, cycles, layers, design],
});
