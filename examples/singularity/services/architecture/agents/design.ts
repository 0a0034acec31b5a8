import { threadAgent, ViableError } from "viable";
import { z } from "zod";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { aboutTree, readModuleGraph } from "../../../source/module-graph.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";
import { findCycles } from "../find-cycles.ts";
import { layerAsDeclared, layerRooms } from "../layer-rooms.ts";
import { proposeMoves } from "../propose-moves.ts";
import { edgesBetween, groupIntoRooms, membersOf, roomName } from "../rooms.ts";

const maxUpward = 300;

/** Proposes a structure: layers that fit the imports, or the wished ones, and which files to move to get there. */
export const design = threadAgent({
  name: "design",
  capability: "system_design",
  description: "A layered structure proposed from the code, or checked against wished layers, with the files to move",
  input: pathInput.extend({
    layers: z
      .array(z.string().min(1).max(1_000))
      .max(60)
      .optional()
      .describe("Folders as they should lie, topmost first; without it the imports decide"),
  }),
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path, layers: wished }) {
    const graph = await readModuleGraph(path, ctx);
    const rooms = groupIntoRooms(graph);
    const members = membersOf(rooms);
    const names = [...members.keys()];
    const declared = wished?.map((room) => (room === "." ? "" : room.replace(/\/+$/, "")));
    const stranger = declared?.find((room) => !members.has(room));
    if (stranger !== undefined) {
      throw new ViableError("design.unknown_room", `${JSON.stringify(stranger)} is no room of this tree.`, {
        next: `Name rooms out of: ${names.map(roomName).sort().slice(0, 60).join(", ")}.`,
      });
    }
    const between = edgesBetween(rooms, graph.edges);
    const layering = declared === undefined ? layerRooms(names, between) : layerAsDeclared(names, between, declared);
    const moves = proposeMoves(rooms, layering, graph.edges);
    const after = new Map(rooms);
    for (const move of moves) after.set(move.file, move.to);
    const before = countImports(layering.upward);
    const left = edgesBetween(after, graph.edges).filter(
      ({ from, to }) => (layering.levelOf.get(from) ?? 0) <= (layering.levelOf.get(to) ?? 0),
    );
    const truncated: Truncated = {};
    const upward = layering.upward.map((each) => ({
      from: roomName(each.from),
      to: roomName(each.to),
      imports: each.edges.length,
      example: { file: each.edges[0]?.from ?? "", line: each.edges[0]?.line ?? 0, imports: each.edges[0]?.to ?? "" },
    }));
    return {
      basis: declared === undefined ? "imports" : "declared",
      layers: layering.levels.map((level) => level.map(roomName)).reverse(),
      upward: cutList("upward", upward, maxUpward, truncated),
      upwardImports: before,
      moves: moves.map((move) => ({ ...move, from: roomName(move.from), to: roomName(move.to) })),
      upwardImportsAfterMoves: countImports(left),
      cyclesToCut: findCycles(graph.modules, graph.edges).filter((cycle) => cycle.kind === "runtime").length,
      ...aboutTree(graph.tree, graph.findings, truncated),
    };
  },
});

const countImports = (edges: readonly { readonly edges: readonly unknown[] }[]): number =>
  edges.reduce((sum, each) => sum + each.edges.length, 0);
