import { posix } from "node:path";
import { byText } from "../../source/by-text.ts";
import { isTest } from "../../source/languages.ts";
import type { Edge, ModuleGraph } from "../../source/module-graph.ts";

/** Which folder each module belongs to when the tree is looked at from a few steps back. */
export type Rooms = ReadonlyMap<string, string>;

/** Imports from one room into another, taken together. */
export interface RoomEdge {
  readonly from: string;
  readonly to: string;
  readonly edges: readonly Edge[];
}

/** Rooms of one picture: more than this nobody sees at a glance. */
const maxRooms = 60;

/**
 * Groups modules into rooms: each package of the tree is one; a room that holds more than half of all modules is looked into
 * and its folders become rooms, again and again. So `src` of a single package is not the answer, and neither is every folder.
 * Tests stand outside: they may use anything, and say nothing about direction.
 */
export function groupIntoRooms(graph: ModuleGraph): Rooms {
  const modules = graph.modules.filter((path) => !isTest(path));
  const folders = graph.packages.map((each) => each.folder).sort((a, b) => b.length - a.length);
  const rooms = new Map<string, string>();
  for (const path of modules) {
    rooms.set(path, folders.find((folder) => folder === "" || path.startsWith(`${folder}/`)) ?? "");
  }
  for (let round = 0; round < 64; round++) {
    const members = membersOf(rooms);
    const largest = [...members].sort((a, b) => b[1].length - a[1].length)[0];
    if (largest === undefined || largest[1].length * 2 <= modules.length) break;
    const [room, paths] = largest;
    const inner = new Map(paths.map((path) => [path, innerFolder(room, path)]));
    if (new Set(inner.values()).size === 1 && inner.get(paths[0] as string) === room) break;
    if (members.size - 1 + new Set(inner.values()).size > maxRooms) break;
    for (const [path, folder] of inner) rooms.set(path, folder);
  }
  return rooms;
}

/** One folder further in; a file that lies in the room itself stays in it. */
function innerFolder(room: string, path: string): string {
  const rest = room === "" ? path : path.slice(room.length + 1);
  const slash = rest.indexOf("/");
  return slash === -1 ? room : posix.join(room, rest.slice(0, slash));
}

/** The modules of each room. */
export function membersOf(rooms: Rooms): Map<string, string[]> {
  const members = new Map<string, string[]>();
  for (const [path, room] of rooms) {
    const list = members.get(room);
    if (list === undefined) members.set(room, [path]);
    else list.push(path);
  }
  return members;
}

/** Imports that cross from room to room. */
export function edgesBetween(rooms: Rooms, edges: readonly Edge[]): RoomEdge[] {
  const between = new Map<string, { from: string; to: string; edges: Edge[] }>();
  for (const edge of edges) {
    const from = rooms.get(edge.from);
    const to = rooms.get(edge.to);
    if (from === undefined || to === undefined || from === to) continue;
    const key = `${from}\0${to}`;
    const known = between.get(key);
    if (known === undefined) between.set(key, { from, to, edges: [edge] });
    else known.edges.push(edge);
  }
  return [...between.values()].sort((a, b) => byText(a.from, b.from) || byText(a.to, b.to));
}

/** How people call a room: its folder, and the root by a dot. */
export const roomName = (folder: string): string => (folder === "" ? "." : folder);
