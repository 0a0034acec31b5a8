import { readJson, readText, type Tree } from "./tree.ts";

export interface Manifest {
  readonly name: string;
  readonly description?: string;
  readonly private?: boolean;
  readonly exports?: { readonly [subpath: string]: unknown };
  readonly dependencies?: { readonly [name: string]: string };
  readonly devDependencies?: { readonly [name: string]: string };
  readonly peerDependencies?: { readonly [name: string]: string };
  readonly optionalDependencies?: { readonly [name: string]: string };
}

/** A package under `packages/`. `room` is its folder's name, which is also what ARCHITECTURE.md calls it. */
export interface Room {
  readonly room: string;
  readonly folder: string;
  readonly manifest: Manifest;
}

/** Where the declared architecture stands, from which every rule here takes its facts. */
export const architecture = "ARCHITECTURE.md";

export function readRooms(tree: Tree): Room[] {
  const rooms: Room[] = [];
  for (const path of tree.keys()) {
    const room = /^packages\/([^/]+)\/package\.json$/.exec(path)?.[1];
    if (room !== undefined) rooms.push({ room, folder: `packages/${room}`, manifest: readJson<Manifest>(tree, path) });
  }
  return rooms;
}

/** The room that a package name or an import of one stands for, undefined for a package that is not ours. */
export function roomOf(specifier: string): string | undefined {
  if (specifier === "viable" || specifier.startsWith("viable/")) return "viable";
  return /^@viable\/([^/]+)/.exec(specifier)?.[1];
}

/** The level block: lines such as `L2  log  bus`. Lower may not know higher, and neighbours do not know each other. */
export function readLevels(tree: Tree): Map<string, number> {
  const levels = new Map<string, number>();
  for (const [, level, names] of readText(tree, architecture).matchAll(/^L(\d+) +(.+)$/gm)) {
    for (const room of (names as string).trim().split(/\s+/)) {
      if (levels.has(room)) throw new Error(`${architecture} puts ${room} on two levels.`);
      levels.set(room, Number(level));
    }
  }
  return levels;
}

/** The room table: rows such as `| `log` | one line |`. */
export function readRoomTable(tree: Tree): Map<string, string> {
  const section = /^## The rooms$(.*?)^## /ms.exec(readText(tree, architecture))?.[1] ?? "";
  const rows = section.matchAll(/^\| `([a-z-]+)` +\| (.+) \|$/gm);
  return new Map([...rows].map(([, room, line]) => [room as string, line as string]));
}
