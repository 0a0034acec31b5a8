import { architecture, readLevels, readRooms, readRoomTable, roomOf } from "./rooms.ts";
import { readJson, type Tree } from "./tree.ts";

/** Rooms that know a concrete database or broker. Everybody else knows the port. */
export const concreteAdapters = new Set(["log-postgres", "bus-nats"]);
/** The one room that puts adapters and ports together. */
export const compositionRoot = "viable";

/** The levels, the table and the folders must name the same rooms: a map with a room too many is as wrong as one too few. */
export function checkMap(tree: Tree): string[] {
  const refusals: string[] = [];
  const levels = readLevels(tree);
  const table = readRoomTable(tree);
  const rooms = new Set(readRooms(tree).map(({ room }) => room));
  for (const room of new Set([...levels.keys(), ...table.keys(), ...rooms])) {
    if (!rooms.has(room)) {
      refusals.push(
        `${architecture} names ${room}, and there is no packages/${room}/package.json. Start the room with its first file, or take it off the map: readers look for what the map shows.`,
      );
    } else {
      if (!levels.has(room)) {
        refusals.push(
          `packages/${room} is on no level. Add it to the level block of ${architecture}, above everything it uses: without a level nobody knows who may use it.`,
        );
      }
      if (!table.has(room)) {
        refusals.push(
          `packages/${room} has no line in the room table of ${architecture}. Say there in one line what it is for: whoever cannot find a room builds it again.`,
        );
      }
    }
  }
  return refusals;
}

/** Dependencies between rooms go strictly downwards, and concrete adapters are known in one place. */
export function checkLevels(tree: Tree): string[] {
  const refusals: string[] = [];
  const levels = readLevels(tree);
  for (const { room, folder, manifest } of readRooms(tree)) {
    const level = levels.get(room);
    if (level === undefined) continue;
    const used = [
      ...Object.keys(manifest.dependencies ?? {}),
      ...Object.keys(manifest.peerDependencies ?? {}),
      ...Object.keys(manifest.optionalDependencies ?? {}),
    ].map((name) => ({ name, forTests: false }));
    used.push(...Object.keys(manifest.devDependencies ?? {}).map((name) => ({ name, forTests: true })));
    for (const { name, forTests } of used) {
      const other = roomOf(name);
      if (other === undefined || (forTests && (other === "testing" || concreteAdapters.has(other)))) continue;
      const otherLevel = levels.get(other);
      if (otherLevel === undefined || otherLevel >= level) {
        refusals.push(
          `${folder}/package.json: ${room} (L${level}) depends on ${other} (${otherLevel === undefined ? "on no level" : `L${otherLevel}`}). A room uses only rooms on lower levels. Move what both need down, or hand it in from ${compositionRoot} as a function or a port; a call upwards (W6) makes the two one room with two names.`,
        );
      }
      if (concreteAdapters.has(other) && room !== compositionRoot && !forTests) {
        refusals.push(
          `${folder}/package.json: ${room} depends on ${other}. Take the port (@viable/log or @viable/bus) as an option instead; only ${compositionRoot} chooses the adapter, or the same system could not run on another database or broker.`,
        );
      }
    }
  }
  return refusals;
}

/** TypeScript's project references must say what the manifest says, or `tsc --build` builds in another order than npm installs. */
export function checkReferences(tree: Tree): string[] {
  const refusals: string[] = [];
  const rooms = readRooms(tree);
  for (const { folder, manifest } of rooms) {
    const wanted = Object.keys(manifest.dependencies ?? {}).flatMap((name) => roomOf(name) ?? []);
    const { references = [] } = readJson<{ references?: { path: string }[] }>(tree, `${folder}/tsconfig.json`);
    const found = references.map(({ path }) => path.replace(/^\.\.\//, ""));
    refusals.push(...compareReferences(`${folder}/tsconfig.json`, "../", wanted, found));
  }
  const build = readJson<{ references: { path: string }[] }>(tree, "tsconfig.build.json");
  const built = build.references.map(({ path }) => path.replace(/^\.\/packages\//, ""));
  const all = rooms.map(({ room }) => room);
  return [...refusals, ...compareReferences("tsconfig.build.json", "./packages/", all, built)];
}

function compareReferences(
  file: string,
  prefix: string,
  wanted: readonly string[],
  found: readonly string[],
): string[] {
  const missing = wanted.filter((room) => !found.includes(room));
  const extra = found.filter((room) => !wanted.includes(room));
  return [
    ...missing.map(
      (room) =>
        `${file}: no reference to ${prefix}${room}. Add { "path": "${prefix}${room}" }: a package is built after what it depends on.`,
    ),
    ...extra.map(
      (room) =>
        `${file}: refers to ${prefix}${room}, which the manifests do not. Remove it, or declare the dependency: references follow package.json.`,
    ),
  ];
}
