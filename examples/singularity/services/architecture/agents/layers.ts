import { threadAgent } from "viable";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { aboutTree, readModuleGraph } from "../../../source/module-graph.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";
import { layerRooms } from "../layer-rooms.ts";
import { edgesBetween, groupIntoRooms, membersOf, roomName } from "../rooms.ts";

const maxUpward = 300;

/** How the rooms of a tree lie above each other, as their imports are now. */
export const layers = threadAgent({
  name: "layers",
  capability: "component_analysis.layers",
  description: "Folders in layers by the direction of their imports, and the imports that go upward",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path }) {
    const { tree, edges, findings, ...graph } = await readModuleGraph(path, ctx);
    const rooms = groupIntoRooms({ tree, edges, findings, ...graph });
    const members = membersOf(rooms);
    const between = edgesBetween(rooms, edges);
    const layering = layerRooms([...members.keys()], between);
    const truncated: Truncated = {};
    const upward = layering.upward.flatMap((each) =>
      each.edges.map(({ from, to, line, kind }) => ({ file: from, line, imports: to, kind })),
    );
    return {
      levels: layering.levels.map((level) => level.map(roomName)),
      rooms: [...members].map(([room, paths]) => ({
        room: roomName(room),
        modules: paths.length,
        level: layering.levelOf.get(room) ?? 0,
        uses: between.filter((each) => each.from === room).map((each) => roomName(each.to)),
      })),
      upward: cutList("upward", upward, maxUpward, truncated),
      ...aboutTree(tree, findings, truncated),
    };
  },
});
