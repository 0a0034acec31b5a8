import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { compositionRoot, concreteAdapters } from "./levels.ts";
import { type Manifest, readRooms, roomOf } from "./rooms.ts";
import { readSource } from "./source.ts";
import { isTest, readJson, readText, sourcePaths, type Tree } from "./tree.ts";

/** Rooms whose code also runs in a browser or on an edge runtime, where there is no Node. Their tests run in Node. */
const browserSafe = new Set(["kernel", "protocol", "client", "log"]);

/** What an import is judged by: where it stands and what it names. */
interface Import {
  readonly path: string;
  readonly line: number;
  readonly specifier: string;
  readonly owner: Owner;
}

/** The package a source file belongs to. The root owns `test/`, `tools/`, `bench/` and its own config files. */
interface Owner {
  readonly folder: string;
  readonly room: string | undefined;
  readonly manifest: Manifest;
}

/** Every import of every source file is declared, stays inside its package, and goes through the other's front door. */
export function checkImports(tree: Tree): string[] {
  const root: Owner = { folder: "", room: undefined, manifest: readJson<Manifest>(tree, "package.json") };
  const rooms = new Map(readRooms(tree).map(({ room, manifest }) => [room, manifest]));
  const refusals: string[] = [];
  for (const path of sourcePaths(tree)) {
    const owner = ownerOf(tree, path, root);
    for (const { value, line } of readSource(path, readText(tree, path)).specifiers) {
      const found: Import = { path, line, specifier: value, owner };
      const refusal = value.startsWith(".") ? checkPath(found) : checkName(found, root, rooms);
      if (refusal !== undefined) refusals.push(`${path}:${line}: imports ${value}. ${refusal}`);
    }
  }
  return refusals;
}

function ownerOf(tree: Tree, path: string, root: Owner): Owner {
  for (let folder = posix.dirname(path); folder !== "."; folder = posix.dirname(folder)) {
    const file = `${folder}/package.json`;
    if (tree.has(file)) {
      const room = /^packages\/([^/]+)$/.exec(folder)?.[1];
      return { folder, room, manifest: readJson<Manifest>(tree, file) };
    }
  }
  return root;
}

function checkPath({ path, specifier, owner }: Import): string | undefined {
  const target = posix.join(posix.dirname(path), specifier);
  const inside =
    owner.folder === ""
      ? !target.startsWith("../") && !/^(packages|examples)\//.test(target)
      : target.startsWith(`${owner.folder}/`);
  if (inside) return undefined;
  return `That path leaves ${owner.folder === "" ? "the root's own folders" : owner.folder}. Import the other package by its name, and export there what is missing: a path past the door holds the other room to its furniture.`;
}

function checkName({ path, specifier, owner }: Import, root: Owner, rooms: Map<string, Manifest>): string | undefined {
  const test = isTest(path) || owner === root;
  if (specifier.startsWith("node:")) {
    if (test || owner.room === undefined || !browserSafe.has(owner.room)) return undefined;
    return `${owner.room} also runs in browsers, where there is no Node. Use a web standard, or take what you need as an option from a room that has it.`;
  }
  if (isBuiltin(specifier))
    return `Write node:${specifier}: without the prefix a package of that name could take its place.`;
  const room = roomOf(specifier);
  const name = packageNameOf(specifier);
  if (room !== undefined) {
    const manifest = rooms.get(room);
    if (manifest === undefined) return "There is no such room.";
    const subpath = `.${specifier.slice(name.length)}`;
    if (manifest.exports?.[subpath] === undefined) {
      return `${name} does not export ${subpath}. Use what it exports, or add the name to one of its doors: what is not exported may change without notice.`;
    }
    if (room === owner.room && owner.manifest.name === name && !test) {
      return "A room does not go out by its own door to come in again. Import the file: otherwise its index and its files wait for each other.";
    }
    if (concreteAdapters.has(room) && !test && room !== owner.room && owner.room !== compositionRoot) {
      return `Only ${compositionRoot}, tests and bench know ${name}. Take the port (@viable/log) as an option, so that another adapter may stand in its place.`;
    }
  }
  if (isDeclared(name, room, owner, root, test)) return undefined;
  return `${name} is not in ${owner.folder === "" ? "" : `${owner.folder}/`}package.json. Declare it there (CONTRIBUTING.md says how): it runs here only because npm hoists it, and not for whoever installs the package.`;
}

function isDeclared(name: string, room: string | undefined, owner: Owner, root: Owner, test: boolean): boolean {
  const { manifest } = owner;
  // The root owns the workspaces; a room's own name is declared by being it.
  if (room !== undefined && (owner === root || room === owner.room)) return true;
  if (test && (room === "testing" || isIn(root.manifest.devDependencies, name))) return true;
  return (
    isIn(manifest.dependencies, name) ||
    isIn(manifest.peerDependencies, name) ||
    isIn(manifest.optionalDependencies, name) ||
    (test && isIn(manifest.devDependencies, name))
  );
}

const isIn = (names: { readonly [name: string]: string } | undefined, name: string): boolean =>
  names !== undefined && Object.hasOwn(names, name);

const packageNameOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

/** The services of the reference system know each other's capabilities, never each other's code. */
export function checkServices(tree: Tree): string[] {
  const refusals: string[] = [];
  const services = findServices(tree);
  const serviceOf = (path: string): string | undefined => services.find((folder) => path.startsWith(`${folder}/`));
  for (const path of sourcePaths(tree)) {
    const service = serviceOf(path);
    if (service === undefined) continue;
    for (const { value, line } of readSource(path, readText(tree, path)).specifiers) {
      const other = value.startsWith(".") ? serviceOf(posix.join(posix.dirname(path), value)) : undefined;
      if (other !== undefined && other !== service) {
        refusals.push(
          `${path}:${line}: imports ${value}, which belongs to the service ${posix.basename(other)}. Ask for the capability with ctx.delegate instead: a service must run in another process, or be left out, without the others noticing.`,
        );
      }
    }
  }
  return refusals;
}

/** A service's folder is the one whose file defines it, by `service` of viable; the config beside the folders defines none. */
export function findServices(tree: Tree): string[] {
  const folders = sourcePaths(tree)
    .filter((path) => /^examples\/[^/]+\/.+\//.test(path) && !isTest(path))
    .filter((path) =>
      readSource(path, readText(tree, path)).specifiers.some(
        ({ value, names }) => value === "viable" && names.includes("service"),
      ),
    )
    .map((path) => posix.dirname(path));
  return [...new Set(folders)];
}
